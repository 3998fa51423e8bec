"""Options that say where the mesh is, the same for all commands."""

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
        "The API of the mesh.  [default: that of the localmesh whose state folder is "
        f"{STATE_VARIABLE} or .localmesh here; else {DEFAULT_URL}]"
    ),
)


def gateway_url(mesh: str | None) -> str:
    """The gateway of the running local mesh: that of LOADGEN_GATEWAY, else as the mesh says."""
    if named := os.environ.get(GATEWAY_VARIABLE):
        return named
    with MeshApi(mesh or local_url(), NAMESPACE) as api:
        return api.gateway()
