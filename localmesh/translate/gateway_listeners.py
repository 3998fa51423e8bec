"""A gateway's listeners: one for each port, with a filter chain for each server that has TLS.

istiod: pilot/pkg/networking/core/gateway.go, buildGatewayListeners.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.catalog import Address, Catalog, GatewayWorkload, Proxy, Server
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import ADS, socket_address
from localmesh.translate.http_filters import Position, http_filters
from localmesh.translate.keys import ProxyKey
from localmesh.translate.listeners import OUTBOUND, connection_manager
from localmesh.translate.server_tls import server_socket
from localmesh.translate.tls import tls_inspector

Json = dict[str, Any]


class GatewayListeners(NamedTuple):
    """A listener for each port of a gateway's servers, which share it."""

    key: ProxyKey
    gateway: GatewayWorkload
    listen: Mapping[int, Address]

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> GatewayListeners:
        """The servers of the gateway, and where it listens for their ports."""
        return cls(ProxyKey.of(proxy), gateway_of(catalog, proxy), proxy.listen)

    def build(self, _parts: PartCache) -> ProxyConfig:
        """The listeners by port."""
        return ProxyConfig(listeners=tuple(gateway_listeners(self.listen, self.gateway)))


def gateway_of(catalog: Catalog, proxy: Proxy) -> GatewayWorkload:
    """The gateway that a proxy belongs to. Raises LookupError."""
    gateway = catalog.gateway(proxy.namespace, proxy.workload)
    if gateway is None:
        raise LookupError(f"{proxy.namespace}/{proxy.workload} is not a gateway")
    return gateway


def gateway_listeners(listen: Mapping[int, Address], gateway: GatewayWorkload) -> list[Json]:
    """A listener for each target port of the servers: those with TLS have a filter chain each."""
    by_port: dict[int, list[Server]] = {}
    for server in gateway.servers:
        by_port.setdefault(server.target_port, []).append(server)
    return [_listener(port, listen[port], servers) for port, servers in sorted(by_port.items())]


def _listener(port: int, address: Address, servers: Sequence[Server]) -> Json:
    """The servers of one protocol are neighbours, in the order of the first of each, as in istiod."""
    by_protocol: dict[str, list[Server]] = {}
    for server in servers:
        by_protocol.setdefault("HTTP" if server.is_http else server.protocol, []).append(server)
    chains: list[Json] = []
    for of_protocol in by_protocol.values():
        if of_protocol[0].is_http:
            chains.append(_plain_chain(port, of_protocol[0]))
        else:
            chains += [_tls_chain(port, server) for server in of_protocol]
    inspector = {"listenerFilters": [tls_inspector()]} if any(server.has_tls for server in servers) else {}
    return {
        "name": f"0.0.0.0_{port}",
        "address": socket_address(address),
        "trafficDirection": OUTBOUND.upper(),
        **inspector,
        "filterChains": chains,
    }


def _plain_chain(port: int, server: Server) -> Json:
    return {"filters": [connection_manager(_manager(port, server.route_name))]}


def _tls_chain(port: int, server: Server) -> Json:
    """The filter chain for connections that ask for one of the server's hosts."""
    filters = [connection_manager(_manager(port, server.route_name))]
    match = sni_match(host.name for host in server.hosts)
    return {**match, "filters": filters, "transportSocket": server_socket(server)}


def sni_match(names: Iterable[str]) -> Json:
    """The match of a filter chain on the name that clients ask for; none where any name will do."""
    names = sorted(set(names))
    return {} if "*" in names else {"filterChainMatch": {"serverNames": names}}


def _manager(port: int, route_name: str) -> Json:
    return {
        "statPrefix": f"outbound_0.0.0.0_{port}",
        "rds": {"configSource": ADS, "routeConfigName": route_name},
        "serverName": "istio-envoy",
        "httpFilters": http_filters(Position.GATEWAY),
        "useRemoteAddress": True,
        "httpProtocolOptions": {},
        "forwardClientCertDetails": "SANITIZE_SET",
        "setCurrentClientCertDetails": {"subject": True, "cert": True, "dns": True, "uri": True},
    }
