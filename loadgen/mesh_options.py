"""Options for the location of the mesh, shared by all commands."""

from __future__ import annotations

import os

import click

from loadgen.meshstate import MeshApi
from loadgen.meshstate.location import DEFAULT_URL, STATE_VARIABLE, local_url

KUBECTL_PROXY_URL = "http://127.0.0.1:8001"
NAMESPACE = "sentimesh"
GATEWAY_VARIABLE = "LOADGEN_GATEWAY"

mesh_option = click.option(
    "--mesh",
    metavar="URL",
    envvar="LOCALMESH_URL",
    show_envvar=True,
    help=(
        "The API of the mesh.  [default: that of the localmesh with the state folder "
        f"{STATE_VARIABLE} or .localmesh; otherwise {DEFAULT_URL}]"
    ),
)


def gateway_url(mesh: str | None) -> str:
    """The URL of the gateway: LOADGEN_GATEWAY, or the one that the running local mesh reports."""
    if named := os.environ.get(GATEWAY_VARIABLE):
        return named
    with MeshApi(mesh or local_url(), NAMESPACE) as api:
        return api.gateway()
