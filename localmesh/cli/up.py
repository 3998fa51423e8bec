"""`localmesh up`: a mesh in the foreground, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from aiohttp import web

from localmesh.api import application
from localmesh.catalog.gateways import HTTP_TARGET_PORT
from localmesh.cli.client import URL_VARIABLE, RunningMesh
from localmesh.envoy import binary
from localmesh.failures import MeshRunsError, PortTakenError
from localmesh.manifests import Loaded
from localmesh.mesh import Mesh, MeshSettings
from localmesh.status import gateways
from localmesh.workloads.ports import LOOPBACK, is_free

_PARENT_POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class UpOptions:
    """How to run a mesh; port 0 means any free one. `command` is run in the mesh, which ends with it."""

    state_folder: Path
    gateway_port: int
    api_port: int
    command: Sequence[str]
    end_with_parent: bool


def up(loaded: Loaded, options: UpOptions) -> int:
    """Runs the mesh until it is told to stop or the command has ended; the exit status."""
    running = RunningMesh.read(options.state_folder)
    if running is not None:
        raise MeshRunsError(
            f"a mesh runs already with the state folder {options.state_folder} (process {running.pid}): "
            "`localmesh apply` changes it, `localmesh down` stops it"
        )
    for option, port in (("--gateway-port", options.gateway_port), ("--api-port", options.api_port)):
        if port and not is_free(port):
            raise PortTakenError(f"port {port} on {LOOPBACK} is taken; choose another one with {option}")
    binary()  # a missing Envoy is told before anything is started
    return asyncio.run(_until_stopped(loaded, options))


async def _until_stopped(loaded: Loaded, options: UpOptions) -> int:
    running = asyncio.create_task(_run(loaded, options))
    with _stop_signals(running):
        watch = asyncio.create_task(_end_with_parent(running)) if options.end_with_parent else None
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


async def _run(loaded: Loaded, options: UpOptions) -> int:
    settings = MeshSettings(
        state_folder=options.state_folder.resolve(),
        working_directory=Path.cwd(),
        gateway_ports={HTTP_TARGET_PORT: options.gateway_port} if options.gateway_port else {},
    )
    began = time.monotonic()
    async with Mesh(settings) as mesh, _api(mesh, options) as url:
        await _start(mesh, loaded)
        _announce(mesh, url, time.monotonic() - began)
        if options.command:
            return await _run_command(options.command, url, mesh)
        click.echo("Ctrl-C stops it.", err=True)
        with contextlib.suppress(asyncio.CancelledError):  # the ordinary end of a mesh in the foreground
            await asyncio.Event().wait()
        click.echo("localmesh: stopping …", err=True)
        return 0


async def _start(mesh: Mesh, loaded: Loaded) -> None:
    pods = sum(1 for resource in loaded.resources if resource.kind == "Deployment")
    click.echo(f"localmesh: starting {pods} workloads and their Envoys …", err=True)
    await mesh.apply(loaded.resources, loaded.ignored)


def _announce(mesh: Mesh, url: str, seconds: float) -> None:
    proxies = len(mesh.plan.proxies)
    click.echo(f"localmesh: {len(mesh.members)} pods, {proxies} Envoys, ready in {seconds:.1f} s", err=True)
    for name, addresses in gateways(mesh).items():
        for address in addresses.values():
            click.echo(f"  {name:<16}{address}", err=True)
    click.echo(f"  {'API':<16}{url}", err=True)
    if mesh.plan.ignored:
        kinds = sorted({resource.kind for resource in mesh.plan.ignored})
        click.echo(f"  {'ignored':<16}{', '.join(kinds)}: they mean nothing without a cluster", err=True)


@contextlib.asynccontextmanager
async def _api(mesh: Mesh, options: UpOptions) -> AsyncIterator[str]:
    runner = web.AppRunner(application(mesh), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, options.api_port).start()
        host, port = runner.addresses[0][:2]
        url = f"http://{host}:{port}"
        process = psutil.Process()
        RunningMesh(url, process.pid, process.create_time()).write(mesh.settings.state_folder)
        yield url
    finally:
        RunningMesh.remove(mesh.settings.state_folder)
        await runner.cleanup()


async def _run_command(command: Sequence[str], url: str, mesh: Mesh) -> int:
    """Runs a command beside the mesh, with the terminal and the environment of the caller."""
    environment = {**os.environ, URL_VARIABLE: url, **mesh.mark}
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except OSError as error:
        click.echo(f"localmesh: {command[0]} cannot be started: {error.strerror}", err=True)
        return 127
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
