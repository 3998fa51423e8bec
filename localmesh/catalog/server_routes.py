"""Which routes of connections a gateway has for a server that is not HTTP.

istiod: pilot/pkg/networking/core/gateway.go, buildGatewayNetworkFiltersFromTLSRoutes and …FromTCPRoutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localmesh.catalog.connection_routes import ConnectionRoute, Match
from localmesh.catalog.hosts import overlap
from localmesh.catalog.servers import Server
from localmesh.catalog.virtual_services import VirtualService


def connection_routes_of(
    server: Server, virtual_services: Iterable[VirtualService]
) -> Iterator[tuple[ConnectionRoute, Match]]:
    """The routes that apply to a server with the match by which they do, oldest VirtualService first.

    TLS that is passed on has routes by name (`tls`), everything else has routes by port (`tcp`).
    """
    kind = "tcp" if server.terminates_tls or not server.has_tls else "tls"
    for virtual_service in virtual_services:
        if not _is_bound(server, virtual_service):
            continue
        for route in virtual_service.connection_routes:
            if route.kind == kind and route.targets:
                for match in route.matching(server.number, server.gateway):
                    yield route, match


def _is_bound(server: Server, virtual_service: VirtualService) -> bool:
    """Whether a VirtualService is for the server's Gateway, and has a host in common with the server."""
    hosts = server.hosts_for(virtual_service.namespace)
    return server.gateway in virtual_service.gateways and any(
        overlap(own, host) for own in hosts for host in virtual_service.hosts
    )
