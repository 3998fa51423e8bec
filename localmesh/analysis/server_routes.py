"""Servers of Gateways that are not HTTP and have no routes, so that nothing listens for them."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog import Catalog, Server
from localmesh.catalog.server_routes import connection_routes_of
from localmesh.kinds.gateway import GATEWAY
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed, quoted


def server_routes(catalog: Catalog) -> Iterator[Problem]:
    """All servers that pass TLS on or forward TCP, once for each, whichever gateways serve them."""
    written: dict[tuple[str, int], list[Server]] = {}
    for workload in catalog.gateways:
        for server in workload.servers:
            written.setdefault((server.gateway, server.index), []).append(server)
    for (name, index), servers in written.items():
        gateway = catalog.objects.named(GATEWAY, *name.split("/"))
        if gateway is not None and not any(_is_routed(server, catalog) for server in servers):
            yield _problem(list(gateway.root.get("spec", "servers").items())[index], servers[0], catalog)


def _is_routed(server: Server, catalog: Catalog) -> bool:
    """Whether a server does without routes of connections, or has one."""
    if server.is_http or server.is_https or server.finds_clusters:
        return True
    return any(True for _ in connection_routes_of(server, catalog.virtual_services))


def _problem(field: Field, server: Server, catalog: Catalog) -> Problem:
    kind, remedy = "tcp", "add spec.tcp to a VirtualService of the Gateway"
    if server.has_tls and not server.terminates_tls:
        kind, remedy = "tls", "add spec.tls with sniHosts to a VirtualService of the Gateway"
        if server.protocol == "HTTPS":
            remedy += ", or write tls.mode: SIMPLE"
    bound = [vs for vs in catalog.virtual_services if server.gateway in vs.gateways]
    only_http = [vs.resource.place.subject for vs in bound if vs.http and not vs.connection_routes]
    hint = f" ({listed(only_http)} has http routes only)" if only_http else ""
    mode = f" with the mode {server.tls_mode}" if server.has_tls else ""
    return field.get("port", "protocol").problem(
        warnings.SERVER_WITHOUT_ROUTES,
        found=f"{quoted(server.protocol)}{mode}",
        kind=kind,
        hosts=listed(host.name for host in server.hosts),
        hint=hint,
        remedy=remedy,
    )
