"""The network filters with which a proxy forwards the connections of a route.

istiod: pilot/pkg/networking/core/networkfilter.go, buildOutboundNetworkFilters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog import DestinationRule, Destinations, Protocol, Resolution, Service, ServicePort
from localmesh.catalog.connection_routes import ConnectionRoute, Target
from localmesh.translate.formats import DNS_CACHE, NO_CLUSTER, outbound_cluster
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

    def along(self, route: ConnectionRoute, port: int, gateway: str) -> list[Json]:
        """The network filters for a route, at a port of a gateway or of a sidecar (`MESH`)."""
        first = route.targets[0]
        single = len(route.targets) == 1
        whereto = (
            {"cluster": self.cluster(first, port, gateway)}
            if single
            else {"weightedClusters": {"clusters": self.weighted(route, port, gateway)}}
        )
        rule = self._rule(first.host) if self.destinations.service(first.host) else None
        settings = {**whereto, **limits_and_hashing(rule, first.subset if single else ""), **self.telemetry}
        name = self.cluster(first, port, gateway) if single else route.owner
        return [*self._lookups(route, port, gateway), tcp_proxy(name, settings)]

    def to_service(self, service: Service, port: ServicePort) -> list[Json]:
        """The network filters for a port of a Service without a route."""
        cluster = outbound_cluster(service.host, port.number)
        limits = limits_and_hashing(self._rule(service.host), "")
        proxy = tcp_proxy(cluster, {"cluster": cluster, **limits, **self.telemetry})
        return [*lookup(service, port), proxy]

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

    def _lookups(self, route: ConnectionRoute, port: int, gateway: str) -> list[Json]:
        """The filters that look up the host of the destinations, if that is left to callers."""
        for target in route.targets:
            service = self.destinations.service(target.host)
            number = self.destinations.port_of(target.host, target.port, listener_port=port, gateway=gateway)
            found = service.port(number) if service is not None else None
            if service is not None and found is not None and (filters := lookup(service, found)):
                return filters
        return []

    def _rule(self, host: str) -> DestinationRule | None:
        return self.destinations.rule_for(host, self.namespace, self.labels)


def lookup(service: Service, port: ServicePort) -> list[Json]:
    """The filters that look up a host of which Istio takes the address that the caller has looked up.

    That address is not known here: a connection of TLS has the name, any other is for the host itself.
    """
    if service.resolution is not Resolution.NONE or (service.host.startswith("*") and not is_tls(port)):
        return []
    return [*([] if is_tls(port) else [_named(service.host)]), lookup_by_name(port.number)]


def is_tls(port: ServicePort) -> bool:
    """Whether applications begin TLS on the connections to a port themselves."""
    return port.protocol is Protocol.TLS


def lookup_by_name(port: int) -> Json:
    """The filter that looks up the host that a client asks for in TLS, for a cluster without endpoints."""
    return {
        "name": "envoy.filters.network.sni_dynamic_forward_proxy",
        "typedConfig": {
            "@type": f"{_FILTERS}.sni_dynamic_forward_proxy.v3.FilterConfig",
            "dnsCacheConfig": DNS_CACHE,
            "portValue": port,
        },
    }


def _named(host: str) -> Json:
    """The filter that names the host where a client does not."""
    text: Json = {"textFormatSource": {"inlineString": host}}
    key = {"objectKey": "envoy.upstream.dynamic_host", "formatString": text}
    return {
        "name": "envoy.filters.network.set_filter_state",
        "typedConfig": {
            "@type": f"{_FILTERS}.set_filter_state.v3.Config",
            "onNewConnection": [key],
        },
    }


_FILTERS = "type.googleapis.com/envoy.extensions.filters.network"
