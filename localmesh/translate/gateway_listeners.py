"""A gateway's listeners: one for each port, with a filter chain for each server that has TLS.

istiod: pilot/pkg/networking/core/gateway.go, buildGatewayListeners.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.catalog import (
    Address,
    AuthorizationPolicy,
    Authorizer,
    Catalog,
    Destinations,
    GatewayWorkload,
    Proxy,
    Server,
    Service,
    VirtualService,
)
from localmesh.translate.auto_passthrough import services_passed_to
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.connections import Connections, sni_match
from localmesh.translate.formats import ADS, socket_address
from localmesh.translate.http_filters import Position, http_filters
from localmesh.translate.keys import ProxyKey
from localmesh.translate.listeners import OUTBOUND, connection_manager
from localmesh.translate.rbac import connection_filters
from localmesh.translate.server_tls import server_socket
from localmesh.translate.telemetry import ProxyTelemetry
from localmesh.translate.tls import tls_inspector

Json = dict[str, Any]


class GatewayListeners(NamedTuple):
    """A listener for each port of a gateway's servers, which share it.

    `virtual_services` are those that route connections, `destinations` what these lead to, `policies` those
    that apply to connections, and `services` those that AUTO_PASSTHROUGH leads to.
    """

    key: ProxyKey
    gateway: GatewayWorkload
    listen: Mapping[int, Address]
    virtual_services: tuple[VirtualService, ...]
    destinations: Destinations
    policies: tuple[AuthorizationPolicy, ...]
    authorizers: tuple[Authorizer, ...]
    services: tuple[Service, ...]
    telemetry: ProxyTelemetry

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> GatewayListeners:
        """The servers of the gateway, where it listens for their ports, and the routes of connections."""
        gateway = gateway_of(catalog, proxy)
        names = {server.gateway for server in gateway.servers if not (server.is_http or server.is_https)}
        routed = tuple(
            virtual_service
            for virtual_service in catalog.virtual_services
            if virtual_service.connection_routes
            and names & virtual_service.gateways
            and virtual_service.visible_from(proxy.namespace)
        )
        services = services_passed_to(catalog, proxy)
        return cls(
            key=ProxyKey.of(proxy),
            gateway=gateway,
            listen=proxy.listen,
            virtual_services=routed,
            destinations=catalog.destinations if routed or services else Destinations(),
            policies=tuple(catalog.policies_for(proxy)) if routed else (),
            authorizers=catalog.authorizers_for(proxy) if routed else (),
            services=services,
            telemetry=ProxyTelemetry.of(catalog, proxy),
        )

    def build(self, _parts: PartCache) -> ProxyConfig:
        """The listeners by port; none where no route leads on from a port."""
        by_port: dict[int, list[Server]] = {}
        for server in self.gateway.servers:
            by_port.setdefault(server.target_port, []).append(server)
        listen_ports = {port: address.port for port, address in self.listen.items()}
        policies = connection_filters(self.policies, listen_ports, self.authorizers)
        connections = Connections(
            self.virtual_services,
            self.destinations,
            self.key.namespace,
            policies,
            self.services,
            self.telemetry.sent_connections(),
        )
        listeners = (
            _listener(port, self.listen[port], servers, connections, self.telemetry)
            for port, servers in sorted(by_port.items())
        )
        return ProxyConfig(listeners=tuple(listener for listener in listeners if listener["filterChains"]))


def gateway_of(catalog: Catalog, proxy: Proxy) -> GatewayWorkload:
    """The gateway that a proxy belongs to. Raises LookupError."""
    gateway = catalog.gateway(proxy.namespace, proxy.workload)
    if gateway is None:
        raise LookupError(f"{proxy.namespace}/{proxy.workload} is not a gateway")
    return gateway


def _listener(
    port: int,
    address: Address,
    servers: Sequence[Server],
    connections: Connections,
    telemetry: ProxyTelemetry,
) -> Json:
    """The servers of one protocol are neighbours, in the order of the first of each, as in istiod."""
    by_protocol: dict[str, list[Server]] = {}
    for server in servers:
        by_protocol.setdefault("HTTP" if server.is_http else server.protocol, []).append(server)
    chains: list[Json] = []
    names: set[str] = set()
    for of_protocol in by_protocol.values():
        if of_protocol[0].is_http:
            chains.append(_plain_chain(port, of_protocol[0], telemetry))
            continue
        for server in of_protocol:
            if server.is_https:
                chains.append(_tls_chain(port, server, telemetry))
            else:
                chains += connections.chains(server, names)
    inspector = {"listenerFilters": [tls_inspector()]} if any(server.has_tls for server in servers) else {}
    return {
        "name": f"0.0.0.0_{port}",
        "address": socket_address(address),
        "trafficDirection": OUTBOUND.upper(),
        **inspector,
        "filterChains": chains,
    }


def _plain_chain(port: int, server: Server, telemetry: ProxyTelemetry) -> Json:
    return {"filters": [connection_manager(_manager(port, server, telemetry))]}


def _tls_chain(port: int, server: Server, telemetry: ProxyTelemetry) -> Json:
    """The filter chain for connections that ask for one of the server's hosts."""
    filters = [connection_manager(_manager(port, server, telemetry))]
    match = sni_match(host.name for host in server.hosts)
    return {**match, "filters": filters, "transportSocket": server_socket(server)}


def _manager(port: int, server: Server, telemetry: ProxyTelemetry) -> Json:
    return {
        "statPrefix": f"outbound_0.0.0.0_{port}",
        "rds": {"configSource": ADS, "routeConfigName": server.route_name},
        "serverName": "istio-envoy",
        "httpFilters": http_filters(Position.GATEWAY, grpc_web=server.protocol == "GRPC-WEB"),
        "useRemoteAddress": True,
        "httpProtocolOptions": {},
        "forwardClientCertDetails": "SANITIZE_SET",
        "setCurrentClientCertDetails": {"subject": True, "cert": True, "dns": True, "uri": True},
        **telemetry.sent_requests(),
    }
