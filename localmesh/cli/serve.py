"""`localmesh serve` and `localmesh sidecar`: the mesh of pods that somebody else has started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import click

from localmesh.catalog import Address, Proxy, ProxyKind
from localmesh.catalog.default_gateways import SYSTEM_NAMESPACE
from localmesh.cli.foreground import (
    api,
    in_the_foreground,
    log_to_stderr,
    require_free,
    require_no_mesh,
    require_state_folder,
    until_stopped,
)
from localmesh.cli.up import announce
from localmesh.manifests import LoadResult
from localmesh.runtime.external.inventory import Inventory
from localmesh.runtime.external.runtime import ExternalRuntime
from localmesh.runtime.external.sidecar import SidecarSettings, keep_running
from localmesh.runtime.mesh import Mesh, MeshSettings
from localmesh.runtime.processes.envoy import binary

_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where the control plane is asked, where it keeps its note, and where people find gateway and API."""

    state_folder: Path
    listen: str
    xds_port: int
    api_port: int
    gateway_url: str | None
    api_url: str | None = None
    api_names: tuple[str, ...] = ()


def serve(loaded: LoadResult, places: Inventory, options: ServeOptions) -> int:
    """Runs the control plane until it is told to stop; the exit status."""
    log_to_stderr()
    settings = MeshSettings(options.state_folder.resolve(), Path.cwd())
    require_no_mesh(options.state_folder)
    require_free(xds_port=options.xds_port, api_port=options.api_port)
    require_state_folder(options.state_folder)
    ground = ExternalRuntime(places, Address(options.listen, options.xds_port), options.gateway_url)
    return asyncio.run(until_stopped(_serve(loaded, Mesh(settings, ground), options)))


async def _serve(loaded: LoadResult, mesh: Mesh, options: ServeOptions) -> int:
    began = asyncio.get_running_loop().time()
    async with mesh, api(mesh, Address(options.listen, options.api_port), options.api_names) as url:
        click.echo(
            f"localmesh: proxies ask at {options.listen}:{options.xds_port}; looking for pods …", err=True
        )
        await mesh.apply(loaded.resources, loaded.ignored)
        address = options.api_url or url
        if mesh.ready:
            announce(mesh, address, f"ready in {_since(began):.1f} s")
            return await in_the_foreground()
        announce(mesh, address, f"not ready yet: {missing(mesh)}; they are taken in when they are")
        telling = asyncio.create_task(tell_when_ready(mesh, began))
        try:
            return await in_the_foreground()
        finally:
            telling.cancel()


def missing(mesh: Mesh) -> str:
    """The names of the pods and gateways that are not ready: whoever starts them may do so at any time."""
    pods = [name for (_, name), pod in sorted(mesh.members.items()) if not pod.ready]
    gateways = [name for (_, name), gateway in sorted(mesh.gateways.items()) if not gateway.ready]
    return ", ".join(pods + gateways)


async def tell_when_ready(mesh: Mesh, began: float) -> None:
    """Says so as soon as all of a mesh is ready; `began` is a time of the event loop."""
    while not mesh.ready:
        await asyncio.sleep(_PAUSE_SECONDS)
    click.echo(f"localmesh: all ready after {_since(began):.1f} s", err=True)


def _since(began: float) -> float:
    return asyncio.get_running_loop().time() - began


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """Whose Envoy to run (`name` is ``POD.NAMESPACE``, or the name of a gateway), and for whom."""

    name: str
    is_gateway: bool
    control_plane: str
    listen: str
    health_port: int
    state_folder: Path


def sidecar(options: SidecarOptions) -> int:
    """Runs one Envoy until it is told to stop; the exit status."""
    log_to_stderr()
    binary()  # a missing Envoy is told before anything is started
    settings = SidecarSettings(
        proxy=_proxy(options),
        control_plane=_address(options.control_plane),
        health=Address(options.listen, options.health_port),
        state_folder=options.state_folder.resolve(),
    )
    require_state_folder(options.state_folder)
    return asyncio.run(until_stopped(_keep_running(settings)))


async def _keep_running(settings: SidecarSettings) -> int:
    await keep_running(settings)
    return 0


def _proxy(options: SidecarOptions) -> Proxy:
    name, _, namespace = options.name.rpartition(".") if "." in options.name else (options.name, "", "")
    if not namespace and options.is_gateway:
        namespace = SYSTEM_NAMESPACE
    if not name or not namespace:
        raise click.UsageError(f'"{options.name}" is no POD.NAMESPACE such as logic-v1-0.sentimesh')
    kind = ProxyKind.GATEWAY if options.is_gateway else ProxyKind.SIDECAR
    return Proxy(kind=kind, namespace=namespace, workload=name, name=name, labels={})


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise click.UsageError(f'--control-plane is "{text}", expected HOST:PORT such as localmesh:15010')
    return Address(host, int(port))
