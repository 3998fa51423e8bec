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
    Protocol,
    Proxy,
    Service,
    ServicePort,
    VirtualService,
)
from localmesh.catalog.sidecar_routes import connection_routes_to
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.connections import sni_match
from localmesh.translate.formats import BLACK_HOLE, PASSTHROUGH, config_name, socket_address
from localmesh.translate.forwarding import Forwarding, lookup_by_name
from localmesh.translate.keys import ProxyKey, Source
from localmesh.translate.listeners import OUTBOUND
from localmesh.translate.single_pods import chains_to_pod
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
    allows_unknown: bool = True

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
        destinations, allows_unknown = catalog.destinations, scope.allows_unknown
        return cls(key, source, listen, services, tuple(routed), destinations, telemetry, allows_unknown)

    def build(self, _parts: PartCache) -> ProxyConfig:
        """A listener for each port that has an address."""
        if self.telemetry is None:
            return ProxyConfig()
        listeners = (
            _listener(
                host,
                port,
                address,
                self._chains(service, port, pod),
                allows_unknown=self.allows_unknown,
            )
            for service in self.services
            for host, pod in {service.host: "", **service.pod_hosts}.items()
            for port in service.ports
            if port.protocol.is_tcp and (address := self.listen.get((host, port.number)))
        )
        return ProxyConfig(listeners=tuple(listeners))

    def _chains(self, service: Service, port: ServicePort, pod: str) -> list[Json]:
        """A filter chain for each route, and one for the Service itself where none takes every connection.

        With a pod, they lead to this pod where they would lead to any of the Service.
        """
        telemetry = self.telemetry.sent_connections() if self.telemetry is not None else {}
        namespace, labels = self.source.namespace, dict(self.source.labels)
        forwarding = Forwarding(self.destinations, namespace, labels, telemetry)
        chains = [
            {
                **sni_match(match.get("sniHosts") or ["*"]),
                "filters": forwarding.along(route, port.number, MESH),
                "metadata": _made_from(owner),
            }
            for owner, route, match in connection_routes_to(
                service, port, self.virtual_services, namespace, labels
            )
        ]
        # where a host has no address of its own in Istio, connections to it are told apart by name
        is_by_name = port.protocol is Protocol.TLS and service.is_entry and not service.addresses
        names = [service.host, *service.aliases] if is_by_name else ["*"]
        own = {**sni_match(names), "filters": forwarding.to_service(service, port)}
        return chains_to_pod(chains or [own], pod) if pod else chains or [own]


def listener_name(host: str, port: int) -> str:
    """The name of the listener for a port of a host.

    >>> listener_name("db.shop.svc.cluster.local", 5432)
    'db.shop.svc.cluster.local_5432'
    """
    return f"{host}_{port}"


def _listener(
    host: str, port: ServicePort, address: Address, chains: Sequence[Json], *, allows_unknown: bool
) -> Json:
    """A listener for a port of a host: connections of TLS for other names are for unknown hosts."""
    by_name = [chain for chain in chains if "filterChainMatch" in chain]
    for_all = [chain for chain in chains if "filterChainMatch" not in chain]
    if by_name and not for_all:
        for_all = [_fallback(port, allows_unknown=allows_unknown)]
    default = {"defaultFilterChain": for_all[0]} if by_name else {}
    return {
        "name": listener_name(host, port.number),
        "address": socket_address(address),
        "trafficDirection": OUTBOUND.upper(),
        **({"listenerFilters": [tls_inspector()]} if by_name else {}),
        "listenerFiltersTimeout": "0s",
        "continueOnListenerFiltersTimeout": True,
        "filterChains": by_name or for_all,
        **default,
    }


def _fallback(port: ServicePort, *, allows_unknown: bool) -> Json:
    """What takes connections that no filter chain is for.

    In Istio they go on to the address that the application has looked up; here the proxy looks up the name.
    """
    cluster = PASSTHROUGH if allows_unknown else BLACK_HOLE
    lookups = [lookup_by_name(port.number)] if allows_unknown else []
    return {"filters": [*lookups, tcp_proxy(cluster, {"cluster": cluster})]}


def _made_from(virtual_service: VirtualService) -> Json:
    """The metadata with which Istio says what a filter chain was made from."""
    config = config_name("virtual-service", virtual_service.namespace, virtual_service.name)
    return {"filterMetadata": {"istio": {"config": config}}}
