"""`localmesh serve`: the control plane of pods that are started elsewhere."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from localmesh import DEFAULT_TRACE_SAMPLING
from localmesh.catalog import Address
from localmesh.catalog.default_gateways import HTTP_TARGET_PORT, HTTPS_TARGET_PORT
from localmesh.cli.client import DEFAULT_API_PORT, default_state_folder
from localmesh.cli.foreground import (
    announce,
    log_to_stderr,
    require_free,
    require_no_mesh,
    require_state_folder,
    run_in_foreground,
    serve_api,
    wait_for_signal,
)
from localmesh.cli.options import (
    NO_ARGUMENTS,
    manifest_options,
    port_option,
    required,
    state_option,
    strict_option,
    trace_sampling_option,
)
from localmesh.cli.sources import Sources
from localmesh.manifests import LoadResult
from localmesh.runtime.external.inventory import Inventory, read_inventory
from localmesh.runtime.external.runtime import ExternalRuntime
from localmesh.runtime.mesh import Mesh, MeshSettings

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where the control plane listens and keeps its state, and the URLs of gateway and API in messages."""

    state_folder: Path
    listen: str
    xds_port: int
    api_port: int
    gateway_url: str | None = None
    gateway_https_url: str | None = None
    api_url: str | None = None
    api_names: tuple[str, ...] = ()
    trace_sampling: float = DEFAULT_TRACE_SAMPLING


@click.command(context_settings=NO_ARGUMENTS)
@manifest_options
@strict_option
@state_option
@click.option(
    "--pods",
    "inventory",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="YAML with the address of each pod and gateway.",
)
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Address for proxies and the API. Private keys are sent unencrypted: use a private network.",
)
@port_option("--xds-port", 15010, "Port that proxies connect to.")
@port_option("--api-port", DEFAULT_API_PORT, "Port of the API.")
@trace_sampling_option
@click.option(
    "--api-name",
    "api_names",
    multiple=True,
    metavar="NAME",
    help="A host name of the API, in addition to loopback addresses. May be repeated.",
)
@click.option(
    "--gateway-url",
    envvar="LOCALMESH_GATEWAY_URL",
    metavar="URL",
    help="URL of the ingress gateway in messages.  [default: its address in FILE]",
)
@click.option(
    "--gateway-https-url",
    envvar="LOCALMESH_GATEWAY_HTTPS_URL",
    metavar="URL",
    help="The same of its port 443.",
)
@click.option(
    "--api-url",
    envvar="LOCALMESH_API_URL",
    metavar="URL",
    help="URL of the API in messages.  [default: its port on the loopback]",
)
def serve(
    *,
    sources: Sources,
    strict: bool,
    inventory: Path,
    state_folder: Path | None,
    **options: Any,
) -> None:
    """Run the control plane for pods that are started elsewhere, as by docker-compose.yml.

    It reads the same manifests as `up` and starts nothing: each pod is an application and a `localmesh
    sidecar` at the address that the file of --pods gives. Ctrl-C stops it.
    """
    sources = required(sources)
    pods = read_inventory(inventory)
    loaded = sources.load(strict=strict)
    folder = state_folder or default_state_folder()
    sys.exit(_serve(loaded, pods, ServeOptions(state_folder=folder, **options)))


def _serve(loaded: LoadResult, inventory: Inventory, options: ServeOptions) -> int:
    log_to_stderr()
    settings = MeshSettings(options.state_folder.resolve(), Path.cwd(), trace_sampling=options.trace_sampling)
    require_no_mesh(options.state_folder)
    require_free(xds_port=options.xds_port, api_port=options.api_port)
    require_state_folder(options.state_folder)
    urls = {HTTP_TARGET_PORT: options.gateway_url, HTTPS_TARGET_PORT: options.gateway_https_url}
    public = {port: url for port, url in urls.items() if url}
    runtime = ExternalRuntime(inventory, Address(options.listen, options.xds_port), public)
    return asyncio.run(run_in_foreground(_run(loaded, Mesh(settings, runtime), options)))


async def _run(loaded: LoadResult, mesh: Mesh, options: ServeOptions) -> int:
    start = asyncio.get_running_loop().time()
    async with mesh, serve_api(mesh, Address(options.listen, options.api_port), options.api_names) as url:
        click.echo(
            f"localmesh: proxies connect to {options.listen}:{options.xds_port}; looking for pods …", err=True
        )
        await mesh.apply(loaded.resources, loaded.ignored, sources=loaded.sources)
        api_url = options.api_url or url
        if mesh.ready:
            announce(mesh, api_url, f"ready in {_seconds_since(start):.1f} s")
            return await wait_for_signal()
        announce(mesh, api_url, f"not ready yet: {missing(mesh)}; added when they are")
        waiting = asyncio.create_task(report_when_ready(mesh, start))
        try:
            return await wait_for_signal()
        finally:
            waiting.cancel()


def missing(mesh: Mesh) -> str:
    """The names of the pods and gateways that are not ready; they may be started at any time."""
    pods = [name for (_, name), pod in sorted(mesh.pods.items()) if not pod.ready]
    gateways = [name for (_, name), gateway in sorted(mesh.gateways.items()) if not gateway.ready]
    return ", ".join(pods + gateways)


async def report_when_ready(mesh: Mesh, start: float) -> None:
    """Prints a line as soon as everything is ready; `start` is a time of the event loop."""
    while not mesh.ready:
        await asyncio.sleep(_POLL_SECONDS)
    click.echo(f"localmesh: all ready after {_seconds_since(start):.1f} s", err=True)


def _seconds_since(start: float) -> float:
    return asyncio.get_running_loop().time() - start
