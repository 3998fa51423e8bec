"""What `up`, `serve` and `sidecar` share: they run in the foreground until a signal stops them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator
from pathlib import Path

import click
import psutil
from aiohttp import web

from localmesh.catalog import LOOPBACK, Address
from localmesh.cli.client import STATE_VARIABLE, RunningMesh
from localmesh.errors import MeshAlreadyRunningError, PortInUseError
from localmesh.problems.fields import listed
from localmesh.runtime.mesh import Mesh
from localmesh.runtime.workloads.ports import is_free
from localmesh.server.api import application
from localmesh.server.status import gateways, ingress_url

_PARENT_POLL_SECONDS = 0.25
_PROGRESS_SECONDS = 3.0


def log_to_stderr() -> None:
    """Writes warnings and errors of the mesh, and tracebacks of bugs, to standard error."""
    logging.basicConfig(format="localmesh: %(message)s", level=logging.WARNING)


def require_no_mesh(state_folder: Path, *, from_make: bool = False) -> None:
    """Raises MeshAlreadyRunningError if a mesh runs with the state folder.

    `from_make`: options were given as variables of `make`.
    """
    running = RunningMesh.read(state_folder)
    if running is None:
        return
    other = f"--state (or {STATE_VARIABLE}), --gateway-port and --api-port"
    if from_make:
        other = "STATE=FOLDER, GATEWAY_PORT=PORT and API_PORT=PORT after `make up`"
    raise MeshAlreadyRunningError(
        f"a mesh is already running with the state folder {state_folder} (process {running.pid}): "
        f"`localmesh apply` changes it, `localmesh down` stops it; a second mesh needs its own folder and "
        f"ports: {other}"
    )


def require_free(*, from_make: bool = False, **ports: int) -> None:
    """Raises PortInUseError for those of these options whose port is in use; port 0 means any.

    `from_make`: the options were given as variables of `make`.
    """
    taken = {option: port for option, port in ports.items() if port and not is_free(port)}
    if not taken:
        return
    options = [f"{option.upper()}=PORT" if from_make else f"--{option.replace('_', '-')}" for option in taken]
    where = " after `make up`" if from_make else ""
    subject = f"port {listed(map(str, taken.values()))} on {LOOPBACK} is in use; choose another one with"
    if len(taken) > 1:
        subject = f"ports {listed(map(str, taken.values()))} on {LOOPBACK} are in use; choose others with"
    raise PortInUseError(f"{subject} {listed(options)}{where}")


def require_state_folder(folder: Path) -> None:
    """Creates the folder if it does not exist. Raises click.UsageError if it is not writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise click.UsageError(f"--state {folder} cannot be used: {reason}; choose another folder") from None


async def run_in_foreground(work: Coroutine[None, None, int], *, end_with_parent: bool = False) -> int:
    """Runs `work` until it returns an exit status or a signal cancels it; then 130 unless it returns one."""
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
    """Makes signals cancel the task."""
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
    """Cancels a task at the first call: a second cancellation would interrupt the cleaning up."""

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
async def serve_api(mesh: Mesh, at: Address, names: Collection[str] = ()) -> AsyncIterator[str]:
    """Serves the API of a mesh and announces it in the state folder; yields its URL on this machine."""
    runner = web.AppRunner(application(mesh, names), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, at.host, at.port).start()
        port = runner.addresses[0][1]
        url = f"http://{LOOPBACK}:{port}"
        mesh.serves_api_at(url)
        process = psutil.Process()
        mesh.settings.state_folder.mkdir(parents=True, exist_ok=True)
        RunningMesh(url, process.pid, process.create_time()).write(mesh.settings.state_folder)
        yield url
    finally:
        RunningMesh.remove(mesh.settings.state_folder)
        await runner.cleanup()


def announce(mesh: Mesh, url: str, state: str) -> None:
    """Prints what runs, its state and the addresses."""
    proxies = len(mesh.desired_state.proxies)
    click.echo(f"localmesh: {len(mesh.pods)} pods, {proxies} Envoys, {state}", err=True)
    lines = [("live page", f"{url}/")]
    if (entrance := ingress_url(mesh)) is not None:
        lines.insert(0, ("application", f"{entrance}/"))
    lines += [
        (name, address if port == "http" else f"{address} ({port})")
        for name, ports in gateways(mesh).items()
        for port, address in ports.items()
    ]
    lines.append(("API", url))
    if mesh.desired_state.ignored:
        kinds = sorted({resource.kind for resource in mesh.desired_state.ignored})
        lines.append(("ignored", f"{', '.join(kinds)}: no effect without a cluster"))
    width = max(len(name) for name, _ in lines) + 2
    for name, text in lines:
        click.echo(f"  {name:<{width}}{text}", err=True)
    if not mesh.pods:
        click.echo("localmesh: warning: the manifests have no Deployment, so that no pod runs", err=True)


@contextlib.asynccontextmanager
async def progress(mesh: Mesh, *, pause_seconds: float = _PROGRESS_SECONDS) -> AsyncIterator[None]:
    """Prints how far a start that takes long has come, until the block is left."""
    printing = asyncio.create_task(_print_progress(mesh, pause_seconds))
    try:
        yield
    finally:
        printing.cancel()


async def _print_progress(mesh: Mesh, pause_seconds: float) -> None:
    start = time.monotonic()
    while True:
        await asyncio.sleep(pause_seconds)
        proxies = mesh.desired_state.proxies
        if not proxies:  # a start that has failed is being undone
            continue
        configured = sum(map(mesh.synced, proxies))
        ready = sum(pod.ready for pod in mesh.pods.values())
        click.echo(
            f"localmesh: {configured} of {len(proxies)} Envoys are configured, {ready} of {len(mesh.pods)} "
            f"pods are ready after {time.monotonic() - start:.0f} s",
            err=True,
        )


async def wait_for_signal() -> int:
    """Waits to be stopped; the exit status is then that of an ordinary end."""
    click.echo("Press Ctrl-C to stop.", err=True)
    with contextlib.suppress(asyncio.CancelledError):  # the ordinary end of a mesh in the foreground
        await asyncio.Event().wait()
    click.echo("localmesh: stopping …", err=True)
    return 0
