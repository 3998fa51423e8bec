"""`localmesh up`: a mesh in the foreground, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from localmesh.catalog import Address
from localmesh.catalog.default_gateways import HTTP_TARGET_PORT
from localmesh.cli.client import DEFAULT_API_PORT, URL_VARIABLE
from localmesh.cli.foreground import (
    api,
    in_the_foreground,
    log_to_stderr,
    require_free,
    require_no_mesh,
    require_state_folder,
    until_stopped,
)
from localmesh.kinds.deployment import DEPLOYMENT
from localmesh.manifests import LoadResult, of_kind
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.runtime.processes.envoy import binary
from localmesh.runtime.workloads.ports import LOOPBACK
from localmesh.server.status import gateways

_NAME_WIDTH = 16


@dataclass(frozen=True, slots=True)
class UpOptions:
    """How to run a mesh; port 0 means any free one. `command` is run in the mesh, which ends with it."""

    state_folder: Path
    gateway_port: int
    api_port: int
    command: Sequence[str]
    end_with_parent: bool
    from_make: bool = False


def up(loaded: LoadResult, options: UpOptions) -> int:
    """Runs the mesh until it is told to stop or the command has ended; the exit status."""
    log_to_stderr()
    settings = MeshSettings(
        state_folder=options.state_folder.resolve(),
        working_directory=Path.cwd(),
        ingress_ports={HTTP_TARGET_PORT: options.gateway_port} if options.gateway_port else {},
    )
    require_no_mesh(options.state_folder)
    ports = {"gateway_port": options.gateway_port, "api_port": options.api_port}
    require_free(from_make=options.from_make, **ports)
    binary()  # a missing Envoy is told before anything is started
    require_state_folder(options.state_folder)
    return asyncio.run(
        until_stopped(_run(loaded, settings, options), end_with_parent=options.end_with_parent)
    )


async def _run(loaded: LoadResult, settings: MeshSettings, options: UpOptions) -> int:
    began = time.monotonic()
    async with Mesh(settings) as mesh, api(mesh, Address(LOOPBACK, options.api_port)) as url:
        await _start(mesh, loaded)
        announce(mesh, url, f"ready in {time.monotonic() - began:.1f} s")
        if options.command:
            return await _run_command(options.command, url, mesh)
        if options.api_port != DEFAULT_API_PORT:
            click.echo(f"  {'other shells':<{_NAME_WIDTH}}export {URL_VARIABLE}={url}", err=True)
        return await in_the_foreground()


async def _start(mesh: Mesh, loaded: LoadResult) -> None:
    pods = len(of_kind(loaded.resources, DEPLOYMENT))
    click.echo(f"localmesh: starting {pods} workloads and their Envoys …", err=True)
    await mesh.apply(loaded.resources, loaded.ignored)


def announce(mesh: Mesh, url: str, how_it_is: str) -> None:
    """Says what runs, how it is, and where."""
    proxies = len(mesh.plan.proxies)
    click.echo(f"localmesh: {len(mesh.members)} pods, {proxies} Envoys, {how_it_is}", err=True)
    lines = [
        (name, address if port == "http" else f"{address} ({port})")
        for name, addresses in gateways(mesh).items()
        for port, address in addresses.items()
    ]
    lines.append(("API", url))
    if mesh.plan.ignored:
        kinds = sorted({resource.kind for resource in mesh.plan.ignored})
        lines.append(("ignored", f"{', '.join(kinds)}: they mean nothing without a cluster"))
    width = max(_NAME_WIDTH, *(len(name) + 2 for name, _ in lines))
    for name, text in lines:
        click.echo(f"  {name:<{width}}{text}", err=True)


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
