"""A gateway's route configurations: one for each port, from the Gateways that select it.

The rules are istiod's (pilot/pkg/networking/core/gateway.go): a VirtualService is reached under the hosts
that it and the server have in common; several for one host are merged, oldest first, catch-alls last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Destinations, GatewayWorkload, Proxy, Server, VirtualService
from localmesh.catalog.hosts import intersection, is_wildcard
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import virtual_host_name
from localmesh.translate.gateway_listeners import gateway_of
from localmesh.translate.keys import Source
from localmesh.translate.routes import RouteContext, Routes, VirtualServiceRoutes
from localmesh.translate.virtual_hosts import VirtualHost, route_configuration

Json = dict[str, Any]


class GatewayRoutes(NamedTuple):
    """The route configurations of a gateway: one for each port, and for each server with TLS."""

    key: tuple[Source, str]
    gateway: GatewayWorkload
    virtual_services: tuple[VirtualService, ...]
    destinations: Destinations

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> GatewayRoutes:
        """The servers of the gateway, all VirtualServices, and what decides where a host leads."""
        key = Source.of(catalog, proxy), proxy.workload
        return cls(key, gateway_of(catalog, proxy), catalog.virtual_services, catalog.destinations)

    def build(self, parts: PartCache) -> ProxyConfig:
        """The route configurations by name."""
        by_name: dict[str, list[Server]] = {}
        for server in (server for server in self.gateway.servers if server.is_http or server.is_https):
            by_name.setdefault(server.route_name, []).append(server)
        return ProxyConfig(
            routes=tuple(
                route_configuration(name, self._virtual_hosts(servers, parts))
                for name, servers in sorted(by_name.items())
            )
        )

    def _virtual_hosts(self, servers: Sequence[Server], parts: PartCache) -> list[Json]:
        """The virtual hosts of servers that share a route configuration.

        A VirtualService has the same routes at all servers of a Gateway: those for the port of the first.
        """
        hosts: dict[str, _Host] = {}
        contexts: dict[tuple[str, VirtualService], RouteContext] = {}
        for server in servers:
            bound = self._bound(server)
            own = server_context(self.key[0], server)
            routes = parts.build_each(
                VirtualServiceRoutes.of(
                    virtual_service,
                    contexts.setdefault((server.gateway, virtual_service), own),
                    self.destinations,
                )
                for virtual_service, _ in bound
            )
            for (_, common), common_routes in zip(bound, routes, strict=True):
                for host in common if common_routes.routes else ():
                    hosts.setdefault(host, _Host(host, server.number)).routes.append(common_routes)
            _require_tls(hosts, server)
        if not hosts:
            name = virtual_host_name("blackhole", servers[0].number)
            return [{"name": name, "domains": ["*"], "routes": []}]
        virtual_hosts = sorted(_collapsed(hosts.values()), key=lambda host: host.name)
        return parts.build_each(virtual_hosts)

    def _bound(self, server: Server) -> list[tuple[VirtualService, list[str]]]:
        """The VirtualServices bound to a server, with the hosts that both have in common."""
        namespace = self.key[0].namespace
        bound = (
            virtual_service
            for virtual_service in self.virtual_services
            if server.gateway in virtual_service.gateways and virtual_service.visible_from(namespace)
        )
        pairs = ((vs, intersection(server.hosts_for(vs.namespace), vs.hosts)) for vs in bound)
        return [(vs, common) for vs, common in pairs if common]


def server_context(source: Source, server: Server) -> RouteContext:
    """For what the routes of a server are made."""
    return RouteContext(source, server.number, server.gateway, is_tls=server.tls is not None)


@dataclass(slots=True)
class _Host:
    """A host of a gateway, while its routes are collected."""

    name: str
    port: int
    routes: list[Routes] = field(default_factory=list)
    requires_tls: bool = False


def _require_tls(hosts: dict[str, _Host], server: Server) -> None:
    """`httpsRedirect`: every host of the server answers plain HTTP with a redirect, routed or not."""
    if not server.https_redirect:
        return
    own = {host.name for host in server.hosts}
    for host in own | {name for name in hosts if intersection(own, [name]) == [name]}:
        hosts.setdefault(host, _Host(host, server.number)).requires_tls = True


def _collapsed(hosts: Iterable[_Host]) -> list[VirtualHost]:
    """Hosts with the same routes share a virtual host, named after the longest that is not a wildcard.

    Routes of another Gateway are other routes, even if they are equal: istiod compares pointers.
    """
    groups: dict[tuple[tuple[int, ...], bool], list[_Host]] = {}
    for host in sorted(hosts, key=lambda host: (is_wildcard(host.name), -len(host.name), host.name)):
        groups.setdefault((tuple(map(id, host.routes)), host.requires_tls), []).append(host)
    return [
        VirtualHost(
            name=virtual_host_name(group[0].name, group[0].port),
            domains=tuple(host.name for host in group),
            routes=tuple(group[0].routes),
            requires_tls=group[0].requires_tls,
        )
        for group in groups.values()
    ]
