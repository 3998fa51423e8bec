"""Connections that a gateway forwards as they are: TCP, and TLS that it passes on or only terminates.

istiod: pilot/pkg/networking/core/gateway.go, createGatewayTCPFilterChainOpts, and networkfilter.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from localmesh.catalog import Destinations, Server, Service, VirtualService
from localmesh.catalog.connection_routes import ConnectionRoute
from localmesh.catalog.server_routes import connection_routes_of
from localmesh.translate.auto_passthrough import auto_passthrough_chains
from localmesh.translate.forwarding import Forwarding
from localmesh.translate.server_tls import server_socket

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connections:
    """What decides where a gateway of a namespace forwards connections."""

    virtual_services: Sequence[VirtualService]
    destinations: Destinations
    namespace: str
    policies: Sequence[Json]
    """The network filters that enforce AuthorizationPolicies."""
    services: tuple[Service, ...] = ()
    """Those that servers with AUTO_PASSTHROUGH pass connections to."""
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    """The settings of the TCP proxies that report connections."""

    def chains(self, server: Server, names: set[str]) -> Iterator[Json]:
        """The filter chains of a server that is not HTTP.

        `names` are those that other servers of the port have chains for already; Envoy allows one for each.
        """
        if server.finds_clusters:
            yield from auto_passthrough_chains(
                server, self.services, self.destinations, self.namespace, self.telemetry
            )
            return
        if server.has_tls and not server.terminates_tls:
            yield from self._passing(server, names)
            return
        # there can be only one: the first that applies
        for route, _ in islice(connection_routes_of(server, self.virtual_services), 1):
            match = sni_match(host.name for host in server.hosts) if server.has_tls else {}
            socket = {"transportSocket": server_socket(server)} if server.has_tls else {}
            yield {**match, "filters": [*self.policies, *self._proxies(route, server)], **socket}

    def _passing(self, server: Server, names: set[str]) -> Iterator[Json]:
        """A chain for each match of each route by name."""
        for route, match in connection_routes_of(server, self.virtual_services):
            wanted = match["sniHosts"]
            if names.isdisjoint(wanted):
                names.update(wanted)
                yield {**sni_match(wanted), "filters": [*self.policies, *self._proxies(route, server)]}

    def _proxies(self, route: ConnectionRoute, server: Server) -> list[Json]:
        """The network filters that forward the connections of a route."""
        forwarding = Forwarding(self.destinations, self.namespace, telemetry=self.telemetry)
        return forwarding.along(route, server.number, server.gateway)


def sni_match(names: Iterable[str]) -> Json:
    """The match of a filter chain on the name that clients ask for; none where any name will do."""
    names = sorted(set(names))
    return {} if "*" in names else {"filterChainMatch": {"serverNames": names}}
