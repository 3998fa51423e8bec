"""`localmesh sidecar`: one Envoy of a mesh whose control plane is `localmesh serve`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from localmesh.catalog import Address, Proxy, ProxyKind
from localmesh.catalog.default_gateways import SYSTEM_NAMESPACE
from localmesh.cli.client import default_state_folder
from localmesh.cli.foreground import log_to_stderr, require_state_folder, run_in_foreground
from localmesh.cli.options import port_option, state_option
from localmesh.runtime.external.sidecar import SidecarSettings, keep_running
from localmesh.runtime.processes.envoy import binary


@click.command()
@click.argument("name", metavar="POD.NAMESPACE")
@state_option
@click.option("--gateway", "is_gateway", is_flag=True, help="Run the Envoy of a gateway.")
@click.option(
    "--control-plane",
    required=True,
    envvar="LOCALMESH_CONTROL_PLANE",
    metavar="HOST:PORT",
    help="Address of `localmesh serve` for proxies.",
)
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Address for the health check and statistics.",
)
@port_option("--health-port", 15021, "Port for the health check and statistics.")
def sidecar(
    *,
    name: str,
    is_gateway: bool,
    control_plane: str,
    listen: str,
    health_port: int,
    state_folder: Path | None,
) -> None:
    """Run the Envoy of one pod beside its application; Ctrl-C stops it."""
    log_to_stderr()
    binary()  # report a missing Envoy before anything starts
    folder = state_folder or default_state_folder()
    settings = SidecarSettings(
        proxy=_proxy(name, is_gateway=is_gateway),
        control_plane=_address(control_plane),
        health=Address(listen, health_port),
        state_folder=folder.resolve(),
    )
    require_state_folder(folder)
    sys.exit(asyncio.run(run_in_foreground(_run(settings))))


async def _run(settings: SidecarSettings) -> int:
    await keep_running(settings)
    return 0


def _proxy(text: str, *, is_gateway: bool) -> Proxy:
    name, _, namespace = text.rpartition(".") if "." in text else (text, "", "")
    if not namespace and is_gateway:
        namespace = SYSTEM_NAMESPACE
    if not name or not namespace:
        raise click.UsageError(f'invalid name "{text}": expected POD.NAMESPACE, for example web-0.shop')
    kind = ProxyKind.GATEWAY if is_gateway else ProxyKind.SIDECAR
    return Proxy(kind=kind, namespace=namespace, workload=name, name=name, labels={})


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise click.UsageError(f'--control-plane is "{text}", expected HOST:PORT such as localmesh:15010')
    return Address(host, int(port))
