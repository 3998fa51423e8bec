"""A sidecar's listeners for TCP ports of Services, and for TLS that applications begin themselves.

istiod: pilot/pkg/networking/core/listener.go, buildSidecarOutboundListener, and tls.go. Istio catches the
connections to a Service's address; here each port has an address of its own on the loopback, which pods are
given instead of the host (localmesh/runtime/workloads/called_hosts.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.catalog import (
    MESH,
    Address,
    Catalog,
    Destinations,
    Proxy,
    Service,
    ServicePort,
    VirtualService,
)
from localmesh.catalog.sidecar_routes import connection_routes_to
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.connections import sni_match
from localmesh.translate.formats import BLACK_HOLE, config_name, socket_address
from localmesh.translate.forwarding import Forwarding
from localmesh.translate.keys import ProxyKey, Source
from localmesh.translate.listeners import OUTBOUND
from localmesh.translate.tcp_proxy import tcp_proxy
from localmesh.translate.telemetry import ProxyTelemetry
from localmesh.translate.tls import tls_inspector

Json = dict[str, Any]


class OutboundConnections(NamedTuple):
    """The TCP ports that a sidecar listens for, and the routes of connections to them."""

    key: ProxyKey
    source: Source
    listen: Mapping[tuple[str, int], Address]
    services: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]
    destinations: Destinations
    telemetry: ProxyTelemetry | None

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> OutboundConnections:
        """The Services with TCP ports, and the VirtualServices that name them; nothing without an address."""
        key, source, listen = ProxyKey.of(proxy), Source.of(catalog, proxy), proxy.connections
        if not listen:
            return cls(key, source, {}, (), (), Destinations(), None)
        scope = catalog.sidecar_scope(proxy)
        hosts = {host for host, _ in listen}
        services = tuple(service for service in scope.callable if service.host in hosts)
        routed = (
            virtual_service for virtual_service in scope.virtual_services if virtual_service.connection_routes
        )
        telemetry = ProxyTelemetry.of(catalog, proxy)
        return cls(key, source, listen, services, tuple(routed), catalog.destinations, telemetry)

    def build(self, _parts: PartCache) -> ProxyConfig:
        """A listener for each port that has an address."""
        if self.telemetry is None:
            return ProxyConfig()
        listeners = (
            _listener(service, port, address, self._chains(service, port))
            for service in self.services
            for port in service.ports
            if port.protocol.is_tcp and (address := self.listen.get((service.host, port.number)))
        )
        return ProxyConfig(listeners=tuple(listeners))

    def _chains(self, service: Service, port: ServicePort) -> list[Json]:
        """A filter chain for each route, and one for the Service itself where none takes every connection."""
        telemetry = self.telemetry.sent_connections() if self.telemetry is not None else {}
        namespace, labels = self.source.namespace, dict(self.source.labels)
        forwarding = Forwarding(self.destinations, namespace, labels, telemetry)
        chains = [
            {
                **sni_match(match.get("sniHosts") or ["*"]),
                "filters": [forwarding.along(route, port.number, MESH)],
                "metadata": _made_from(owner),
            }
            for owner, route, match in connection_routes_to(
                service, port, self.virtual_services, namespace, labels
            )
        ]
        return chains or [{"filters": [forwarding.to_service(service, port.number)]}]


def listener_name(host: str, port: int) -> str:
    """The name of the listener for a port of a host.

    >>> listener_name("db.shop.svc.cluster.local", 5432)
    'db.shop.svc.cluster.local_5432'
    """
    return f"{host}_{port}"


def _listener(service: Service, port: ServicePort, address: Address, chains: Sequence[Json]) -> Json:
    """A listener for a port of a Service, on whose filter chains all connections are closed that none takes.

    In Istio these go on to the address that the application has looked up, which is not known here.
    """
    by_name = [chain for chain in chains if "filterChainMatch" in chain]
    for_all = [chain for chain in chains if "filterChainMatch" not in chain]
    if by_name and not for_all:
        for_all = [{"filters": [tcp_proxy(BLACK_HOLE, {"cluster": BLACK_HOLE})]}]
    default = {"defaultFilterChain": for_all[0]} if by_name else {}
    return {
        "name": listener_name(service.host, port.number),
        "address": socket_address(address),
        "trafficDirection": OUTBOUND.upper(),
        **({"listenerFilters": [tls_inspector()]} if by_name else {}),
        "listenerFiltersTimeout": "0s",
        "continueOnListenerFiltersTimeout": True,
        "filterChains": by_name or for_all,
        **default,
    }


def _made_from(virtual_service: VirtualService) -> Json:
    """The metadata with which Istio says what a filter chain was made from."""
    config = config_name("virtual-service", virtual_service.namespace, virtual_service.name)
    return {"filterMetadata": {"istio": {"config": config}}}
