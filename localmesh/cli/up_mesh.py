"""The mesh of `localmesh up`; the command itself imports this while kustomize runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from localmesh import DEFAULT_TRACE_SAMPLING
from localmesh.catalog import LOOPBACK, Address
from localmesh.catalog.default_gateways import HTTP_TARGET_PORT, HTTPS_TARGET_PORT
from localmesh.catalog.gateways import has_tls_servers
from localmesh.catalog.locality import Locality
from localmesh.cli.client import DEFAULT_API_PORT, URL_VARIABLE
from localmesh.cli.foreground import (
    announce,
    log_to_stderr,
    progress,
    require_free,
    require_no_mesh,
    require_state_folder,
    run_in_foreground,
    serve_api,
    wait_for_signal,
)
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.workloads import WORKLOADS
from localmesh.manifests import LoadResult, located, of_kind
from localmesh.runtime.desired_state import DesiredState
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.runtime.processes.envoy import binary
from localmesh.runtime.workloads.programs import commands_text


@dataclass(frozen=True, slots=True)
class UpOptions:
    """How to run a mesh; port 0 means any free one. The mesh ends with `command`, if there is one."""

    state_folder: Path
    gateway_port: int
    gateway_https_port: int | None
    api_port: int
    command: Sequence[str]
    end_with_parent: bool
    from_make: bool
    run_commands: bool
    zones: tuple[str, ...] = ()
    trace_sampling: float = DEFAULT_TRACE_SAMPLING

    @property
    def ingress_ports(self) -> Mapping[int, int]:
        """The ports of Istio's ingress gateway by target port."""
        return {HTTP_TARGET_PORT: self.gateway_port, HTTPS_TARGET_PORT: self.https_port}

    @property
    def https_port(self) -> int:
        """The port for HTTPS: the usual one, unless the port for HTTP is any free one."""
        if self.gateway_https_port is not None:
            return self.gateway_https_port
        return HTTPS_TARGET_PORT if self.gateway_port else 0


def run(loaded: LoadResult, options: UpOptions) -> int:
    """Runs a mesh of these objects in the foreground; returns the exit status."""
    log_to_stderr()
    settings = MeshSettings(
        state_folder=options.state_folder.resolve(),
        working_directory=Path.cwd(),
        ingress_ports={target: port for target, port in options.ingress_ports.items() if port},
        run_commands=options.run_commands,
        zones=tuple(map(Locality.parsed, options.zones)),
        trace_sampling=options.trace_sampling,
    )
    require_no_mesh(options.state_folder, from_make=options.from_make)
    ports = {"gateway_port": options.gateway_port, "api_port": options.api_port}
    if any(map(has_tls_servers, of_kind(loaded.resources, GATEWAY))):
        ports["gateway_https_port"] = options.https_port
    require_free(from_make=options.from_make, **ports)
    binary()  # report a missing Envoy before anything starts
    require_state_folder(options.state_folder)
    return asyncio.run(
        run_in_foreground(_run(loaded, settings, options), end_with_parent=options.end_with_parent)
    )


async def _run(loaded: LoadResult, settings: MeshSettings, options: UpOptions) -> int:
    start = time.monotonic()
    async with Mesh(settings) as mesh, serve_api(mesh, Address(LOOPBACK, options.api_port)) as url:
        workloads = sum(any(map(resource.is_a, WORKLOADS)) for resource in loaded.resources)
        click.echo(f"localmesh: starting {workloads} workloads and their Envoys …", err=True)
        announce_commands = partial(_announce_commands, loaded=loaded)
        async with progress(mesh):
            await mesh.apply(
                loaded.resources, loaded.ignored, sources=loaded.sources, announce=announce_commands
            )
        announce(mesh, url, f"ready in {time.monotonic() - start:.1f} s")
        if options.command:
            return await _run_command(options.command, url, mesh)
        if options.api_port != DEFAULT_API_PORT:
            click.echo(f"in other shells: export {URL_VARIABLE}={url}", err=True)
        return await wait_for_signal()


def _announce_commands(desired: DesiredState, loaded: LoadResult) -> None:
    """Prints which programs of the manifests are run, and for which ones stubs stand."""
    if commands := commands_text(desired.catalog.workloads):
        click.echo(f"localmesh: running commands of the manifests: {commands}", err=True)
    for warning in located(desired.warnings, loaded.sources):
        click.echo(f"{warning}\n", err=True)


async def _run_command(command: Sequence[str], url: str, mesh: Mesh) -> int:
    """Runs a command beside the mesh, with the terminal and the environment of the caller."""
    environment = {**os.environ, URL_VARIABLE: url, **mesh.owner_environment}
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
