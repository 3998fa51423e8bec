"""The network filters with which a proxy forwards the connections of a route.

istiod: pilot/pkg/networking/core/networkfilter.go, buildOutboundNetworkFilters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog import DestinationRule, Destinations, Service
from localmesh.catalog.connection_routes import ConnectionRoute, Target
from localmesh.translate.formats import NO_CLUSTER, outbound_cluster
from localmesh.translate.tcp_proxy import limits_and_hashing, tcp_proxy

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How a proxy forwards connections: where routes lead, and what DestinationRules say for it."""

    destinations: Destinations
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    """The settings of the TCP proxies that report connections."""

    def along(self, route: ConnectionRoute, port: int, gateway: str) -> Json:
        """The network filter for a route, at a port of a gateway or of a sidecar (`MESH`)."""
        first = route.targets[0]
        single = len(route.targets) == 1
        whereto = (
            {"cluster": self.cluster(first, port, gateway)}
            if single
            else {"weightedClusters": {"clusters": self.weighted(route, port, gateway)}}
        )
        rule = self._rule(first.host) if self.destinations.service(first.host) else None
        settings = {**whereto, **limits_and_hashing(rule, first.subset if single else ""), **self.telemetry}
        return tcp_proxy(self.cluster(first, port, gateway), settings)

    def to_service(self, service: Service, port: int) -> Json:
        """The network filter for a port of a Service without a route."""
        cluster = outbound_cluster(service.host, port)
        limits = limits_and_hashing(self._rule(service.host), "")
        return tcp_proxy(cluster, {"cluster": cluster, **limits, **self.telemetry})

    def weighted(self, route: ConnectionRoute, port: int, gateway: str) -> list[Json]:
        """The clusters of a route with several destinations; those without a weight are not used."""
        return [
            {"name": self.cluster(target, port, gateway), "weight": target.weight}
            for target in route.targets
            if target.weight
        ]

    def cluster(self, target: Target, port: int, gateway: str) -> str:
        """The name of the cluster of a destination."""
        if not target.host:
            return NO_CLUSTER
        number = self.destinations.port_of(target.host, target.port, listener_port=port, gateway=gateway)
        return outbound_cluster(self.destinations.resolved(target.host), number, target.subset)

    def _rule(self, host: str) -> DestinationRule | None:
        return self.destinations.rule_for(host, self.namespace, self.labels)
