"""What commands in the foreground share: they run until they are told to stop, and a mesh has its API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator
from pathlib import Path

import click
import psutil
from aiohttp import web

from localmesh.catalog import Address
from localmesh.cli.client import RunningMesh
from localmesh.errors import MeshAlreadyRunningError, PortInUseError
from localmesh.problems.fields import listed
from localmesh.runtime.mesh import Mesh
from localmesh.runtime.workloads.ports import LOOPBACK, is_free
from localmesh.server.api import application

_PARENT_POLL_SECONDS = 0.25


def log_to_stderr() -> None:
    """Writes warnings and errors of the mesh, and tracebacks of bugs, to standard error."""
    logging.basicConfig(format="localmesh: %(message)s", level=logging.WARNING)


def require_no_mesh(state_folder: Path) -> None:
    """Raises MeshRunsError where one runs with the same state folder."""
    running = RunningMesh.read(state_folder)
    if running is not None:
        raise MeshAlreadyRunningError(
            f"a mesh runs already with the state folder {state_folder} (process {running.pid}): "
            "`localmesh apply` changes it, `localmesh down` stops it"
        )


def require_free(*, from_make: bool = False, **ports: int) -> None:
    """Raises PortTakenError for those of these options whose port is taken; port 0 means any.

    `from_make`: the options were given as variables to `make`.
    """
    taken = {option: port for option, port in ports.items() if port and not is_free(port)}
    if not taken:
        return
    options = [f"{option.upper()}=PORT" if from_make else f"--{option.replace('_', '-')}" for option in taken]
    named = " behind `make up`" if from_make else ""
    subject = f"port {listed(map(str, taken.values()))} on {LOOPBACK} is taken; choose another one with"
    if len(taken) > 1:
        subject = f"ports {listed(map(str, taken.values()))} on {LOOPBACK} are taken; choose others with"
    raise PortInUseError(f"{subject} {listed(options)}{named}")


def require_state_folder(folder: Path) -> None:
    """Makes the folder, if there is none. Raises click.UsageError where nothing can be kept in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise click.UsageError(f"--state {folder} cannot be used: {reason}; name another folder") from None


async def until_stopped(work: Coroutine[None, None, int], *, end_with_parent: bool = False) -> int:
    """The exit status of `work`, which a signal ends in good order: 130 then, if it has none of its own."""
    running = asyncio.create_task(work)
    with _stop_signals(running):
        watch = asyncio.create_task(_end_with_parent(running)) if end_with_parent else None
        try:
            return await running
        except asyncio.CancelledError:
            return 130
        finally:
            if watch is not None:
                watch.cancel()


@contextlib.contextmanager
def _stop_signals(task: asyncio.Task[int]) -> Iterator[None]:
    """A signal ends the task in good order; the second one has to wait as well."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, _CancelOnce(task))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class _CancelOnce:
    """Cancels a task at the first call: a second cancel would interrupt the cleaning up."""

    def __init__(self, task: asyncio.Task[int]) -> None:
        self._task = task

    def __call__(self) -> None:
        if not self._task.cancelling():
            self._task.cancel()


async def _end_with_parent(task: asyncio.Task[int]) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_POLL_SECONDS)
    _CancelOnce(task)()


@contextlib.asynccontextmanager
async def api(mesh: Mesh, at: Address, names: Collection[str] = ()) -> AsyncIterator[str]:
    """The API of a mesh, for as long as this lasts, and the note in its state folder; its URL here."""
    runner = web.AppRunner(application(mesh, names), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, at.host, at.port).start()
        port = runner.addresses[0][1]
        url = f"http://{LOOPBACK}:{port}"
        process = psutil.Process()
        mesh.settings.state_folder.mkdir(parents=True, exist_ok=True)
        RunningMesh(url, process.pid, process.create_time()).write(mesh.settings.state_folder)
        yield url
    finally:
        RunningMesh.remove(mesh.settings.state_folder)
        await runner.cleanup()


async def in_the_foreground() -> int:
    """Waits to be stopped; the exit status of an end that was asked for."""
    click.echo("Ctrl-C stops it.", err=True)
    with contextlib.suppress(asyncio.CancelledError):  # the ordinary end of a mesh in the foreground
        await asyncio.Event().wait()
    click.echo("localmesh: stopping …", err=True)
    return 0
