"""Connections that a gateway forwards as they are: TCP, and TLS that it passes on or only terminates.

istiod: pilot/pkg/networking/core/gateway.go, createGatewayTCPFilterChainOpts, and networkfilter.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog import DestinationRule, Destinations, Server, VirtualService
from localmesh.catalog.connection_routes import ConnectionRoute, Target
from localmesh.catalog.hosts import overlap
from localmesh.translate.formats import duration, outbound_cluster
from localmesh.translate.server_tls import server_socket

Json = dict[str, Any]

_TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


@dataclass(frozen=True, slots=True)
class Connections:
    """What decides where a gateway of a namespace forwards connections."""

    virtual_services: Sequence[VirtualService]
    destinations: Destinations
    namespace: str
    policies: Sequence[Json]
    """The network filters that enforce AuthorizationPolicies."""

    def chains(self, server: Server, names: set[str]) -> Iterator[Json]:
        """The filter chains of a server that is not HTTP.

        `names` are those that other servers of the port have chains for already; Envoy allows one for each.
        """
        if server.has_tls and not server.terminates_tls:
            yield from self._passing(server, names)
            return
        route = self._first(server)
        if route is not None:
            match = sni_match(host.name for host in server.hosts) if server.has_tls else {}
            socket = {"transportSocket": server_socket(server)} if server.has_tls else {}
            yield {**match, "filters": [*self.policies, self._proxy(route, server)], **socket}

    def _passing(self, server: Server, names: set[str]) -> Iterator[Json]:
        """A chain for each match of each route by name."""
        for virtual_service in self._bound(server):
            for route in virtual_service.connection_routes:
                if route.kind == "tls" and route.targets:
                    for match in route.matching(server.number, server.gateway):
                        wanted = match["sniHosts"]
                        if names.isdisjoint(wanted):
                            names.update(wanted)
                            yield {
                                **sni_match(wanted),
                                "filters": [*self.policies, self._proxy(route, server)],
                            }

    def _first(self, server: Server) -> ConnectionRoute | None:
        """The first TCP route that applies: there can be only one."""
        for virtual_service in self._bound(server):
            for route in virtual_service.connection_routes:
                if (
                    route.kind == "tcp"
                    and route.targets
                    and any(True for _ in route.matching(server.number, server.gateway))
                ):
                    return route
        return None

    def _bound(self, server: Server) -> Iterator[VirtualService]:
        """The VirtualServices of the server's Gateway that have a host in common with the server."""
        for virtual_service in self.virtual_services:
            hosts = server.hosts_for(virtual_service.namespace)
            if server.gateway in virtual_service.gateways and any(
                overlap(own, host) for own in hosts for host in virtual_service.hosts
            ):
                yield virtual_service

    def _proxy(self, route: ConnectionRoute, server: Server) -> Json:
        """The network filter that forwards the connections of a route."""
        first = route.targets[0]
        service = self.destinations.service(first.host)
        rule = self.destinations.rule_for(first.host, self.namespace) if service else None
        single = len(route.targets) == 1
        weighted = [target for target in route.targets if target.weight]
        clusters = [{"name": self._cluster(target, server), "weight": target.weight} for target in weighted]
        whereto = (
            {"cluster": self._cluster(first, server)}
            if single
            else {"weightedClusters": {"clusters": clusters}}
        )
        hashed = _hash_policy(rule, first.subset if single else "")
        return tcp_proxy(self._cluster(first, server), {**whereto, **_timeouts(rule), **hashed})

    def _cluster(self, target: Target, server: Server) -> str:
        port = self.destinations.port_of(
            target.host, target.port, listener_port=server.number, gateway=server.gateway
        )
        return outbound_cluster(target.host, port, target.subset)


def tcp_proxy(stat_prefix: str, settings: Json) -> Json:
    """The network filter that forwards a connection."""
    return {
        "name": "envoy.filters.network.tcp_proxy",
        "typedConfig": {"@type": _TCP_PROXY, "statPrefix": stat_prefix, **settings},
    }


def sni_match(names: Iterable[str]) -> Json:
    """The match of a filter chain on the name that clients ask for; none where any name will do."""
    names = sorted(set(names))
    return {} if "*" in names else {"filterChainMatch": {"serverNames": names}}


def _timeouts(rule: DestinationRule | None) -> Json:
    """The limits of connections, which only the policy of the whole host sets."""
    tcp = (((rule.policy if rule else None) or {}).get("connectionPool") or {}).get("tcp") or {}
    names = {"idleTimeout": "idleTimeout", "maxConnectionDuration": "maxDownstreamConnectionDuration"}
    return {name: duration(tcp[field]) for field, name in names.items() if field in tcp}


def _hash_policy(rule: DestinationRule | None, subset_name: str) -> Json:
    """Hashing by the client's address, the only kind that connections have."""
    if rule is None:
        return {}
    by_address = _by_address(rule.policy)
    subset = rule.subset(subset_name)
    if subset is not None and (subset.policy or {}).get("loadBalancer"):
        by_address = _by_address(subset.policy)
    return {"hashPolicy": [{"sourceIp": {}}]} if by_address else {}


def _by_address(policy: Mapping[str, Any] | None) -> bool:
    balancer = (policy or {}).get("loadBalancer") or {}
    return bool((balancer.get("consistentHash") or {}).get("useSourceIp"))
