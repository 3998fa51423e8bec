"""Options for the location of the mesh, shared by all commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from loadgen.errors import UsageError
from loadgen.http1 import Target
from loadgen.http1.target import reach
from loadgen.meshstate import MeshApi
from loadgen.meshstate.location import DEFAULT_URL, STATE_VARIABLE, ServiceAccount, local_url

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


def mesh_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that judge a mesh: `target`, `mesh`, `gateway` and the namespaces."""
    for option in reversed(_MESH_OPTIONS):
        command = option(command)
    return command


_MESH_OPTIONS = (
    click.option(
        "--target", type=click.Choice(["localmesh", "cluster"]), default="localmesh", show_default=True
    ),
    mesh_option,
    click.option(
        "--gateway",
        metavar="URL",
        envvar=GATEWAY_VARIABLE,
        show_envvar=True,
        help="The ingress gateway.  [default: that of the local mesh]",
    ),
    click.option(
        "--namespace", default=NAMESPACE, show_default=True, help="The namespace of the application."
    ),
    click.option(
        "--istio-namespace", default="istio-system", show_default=True, help="The namespace of istiod."
    ),
)


def mesh_api(options: Mapping[str, Any]) -> MeshApi:
    """The API of the mesh; that of a cluster does not have the address of its gateway."""
    cluster = options["target"] == "cluster"
    if cluster and not options["gateway"]:
        raise UsageError("--target cluster needs the address of the ingress gateway: --gateway URL")
    if cluster and not options["mesh"] and (own := ServiceAccount.of_this_pod(os.environ)):
        return MeshApi(own.url, options["namespace"], service_account=own)
    url = options["mesh"] or (KUBECTL_PROXY_URL if cluster else local_url())
    return MeshApi(url, options["namespace"])


def reached_gateway(api: MeshApi, options: Mapping[str, Any]) -> Target:
    """The gateway, once it accepts a connection."""
    import uvloop

    return uvloop.run(reach(Target.from_url(options["gateway"] or api.gateway())))
