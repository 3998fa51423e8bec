"""The commands for pods that somebody else has started: serve, sidecar."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from localmesh.cli import client
from localmesh.cli.sources import ALONE, PORT, Sources, required, source_options, state_option, strict_option


@click.command(context_settings=ALONE)
@source_options
@strict_option
@state_option
@click.option(
    "--pods",
    "places",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="YAML that says where each pod and gateway is.",
)
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Where proxies and the API are served; proxies get their keys there, unencrypted: keep it private.",
)
@click.option("--xds-port", type=PORT, default=15010, show_default=True, help="Where proxies ask.")
@click.option(
    "--api-port",
    type=PORT,
    default=client.DEFAULT_API_PORT,
    show_default=True,
    help="Where the API listens.",
)
@click.option(
    "--api-name",
    "api_names",
    multiple=True,
    metavar="NAME",
    help="A name under which the API answers, besides loopback addresses. May be repeated.",
)
@click.option(
    "--gateway-url",
    envvar="LOCALMESH_GATEWAY_URL",
    metavar="URL",
    help="Where people reach the ingress gateway.  [default: at its place]",
)
@click.option(
    "--api-url",
    envvar="LOCALMESH_API_URL",
    metavar="URL",
    help="Where people reach the API.  [default: at its port]",
)
def serve(
    *, kustomizations: tuple[Path, ...], files: tuple[Path, ...], strict: bool, places: Path, **options: Any
) -> None:
    """Be the control plane of pods that are started elsewhere, as by docker-compose.yml; Ctrl-C stops it.

    The same manifests, but nothing is started: each pod is an application and a `localmesh sidecar` at an
    address that --pods gives.
    """
    from localmesh.cli.serve import ServeOptions
    from localmesh.cli.serve import serve as run
    from localmesh.runtime.external.inventory import read_inventory

    sources = required(Sources(kustomizations, files))
    found = read_inventory(places)
    sys.exit(run(sources.load(strict=strict), found, ServeOptions(**options)))


@click.command()
@click.argument("name", metavar="POD.NAMESPACE")
@state_option
@click.option("--gateway", "is_gateway", is_flag=True, help="Be a gateway; NAME is that of its selector.")
@click.option(
    "--control-plane",
    required=True,
    envvar="LOCALMESH_CONTROL_PLANE",
    metavar="HOST:PORT",
    help="Where `localmesh serve` is asked.",
)
@click.option(
    "--listen",
    default="127.0.0.1",
    show_default=True,
    metavar="HOST",
    help="Where it says whether Envoy is ready.",
)
@click.option("--health-port", type=PORT, default=15021, show_default=True, help="On which port.")
def sidecar(**options: Any) -> None:
    """Run the Envoy of one pod of a served mesh, beside its application; Ctrl-C stops it."""
    from localmesh.cli.serve import SidecarOptions
    from localmesh.cli.serve import sidecar as run

    sys.exit(run(SidecarOptions(**options)))
