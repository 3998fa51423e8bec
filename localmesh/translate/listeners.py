"""Listeners: where a proxy accepts requests, and what each request passes before it is routed.

Istio intercepts a pod's connections and has a listener for each Service port. Without root nothing can be
intercepted, so a sidecar here has one explicit HTTP proxy port (as with Istio's `proxyHttpPort`) and chooses
the route configuration by the port in the request's authority. Listeners do not change when routes do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.catalog import Address, Catalog, GatewayWorkload, Proxy, Server
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import ADS, socket_address
from localmesh.translate.http_filters import PORT_HEADER, Position, http_filters
from localmesh.translate.keys import ProxyKey
from localmesh.translate.tls import gateway_socket, tls_inspector

Json = dict[str, Any]

OUTBOUND = "outbound"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class OutboundListener(NamedTuple):
    """The HTTP proxy port of a sidecar."""

    key: ProxyKey
    address: Address | None

    @classmethod
    def read(cls, _catalog: Catalog, proxy: Proxy) -> OutboundListener:
        """The address, where the proxy has such a port."""
        return cls(ProxyKey.of(proxy), proxy.outbound)

    def build(self, _parts: PartCache) -> ProxyConfig:
        """One listener, or none."""
        listeners = (_outbound_listener(self.address),) if self.address is not None else ()
        return ProxyConfig(listeners=listeners)


def _outbound_listener(address: Address) -> Json:
    """A listener that chooses the route configuration by the port in the authority of a request.

    A header has the authority followed by ``:80``: its second part is the port, whether the authority has one
    or not. It is set before the scope is chosen and removed before the request leaves.
    """
    authority: Json = {
        "append": {
            "header": {"key": PORT_HEADER, "value": "%REQ(:AUTHORITY)%:80"},
            "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    port = {"headerValueExtractor": {"name": PORT_HEADER, "elementSeparator": ":", "index": 1}}
    manager: Json = {
        "statPrefix": OUTBOUND,
        "scopedRoutes": {
            "name": OUTBOUND,
            "scopeKeyBuilder": {"fragments": [port]},
            "rdsConfigSource": ADS,
            "scopedRds": {"scopedRdsConfigSource": ADS},
        },
        "earlyHeaderMutationExtensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typedConfig": {
                    "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation"
                    ".header_mutation.v3.HeaderMutation",
                    "mutations": [authority],
                },
            }
        ],
        "httpFilters": http_filters(Position.OUTBOUND),
        "useRemoteAddress": False,
    }
    return http_listener("outbound", address, manager, "OUTBOUND")


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
    return [_gateway_listener(port, listen[port], servers) for port, servers in sorted(by_port.items())]


def _gateway_listener(port: int, address: Address, servers: Sequence[Server]) -> Json:
    name = f"0.0.0.0_{port}"
    secure = [_tls_chain(port, server) for server in servers if server.mutual_tls]
    plain = next((server for server in servers if not server.mutual_tls), None)
    manager = _gateway_manager(port, (plain or servers[0]).route_name)
    listener = http_listener(name, address, manager, "OUTBOUND")
    if not secure:
        return listener
    chains = [*secure, *(listener["filterChains"] if plain else ())]
    return {**listener, "listenerFilters": [tls_inspector()], "filterChains": chains}


def _tls_chain(port: int, server: Server) -> Json:
    """The filter chain for connections that ask for one of the server's hosts."""
    names = sorted(host.name for host in server.hosts)
    match = {} if "*" in names else {"filterChainMatch": {"serverNames": names}}
    filters = [connection_manager(_gateway_manager(port, server.route_name))]
    return {**match, "filters": filters, "transportSocket": gateway_socket()}


def _gateway_manager(port: int, route_name: str) -> Json:
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


def http_listener(name: str, address: Address, manager: Json, direction: str) -> Json:
    """A listener with an HTTP connection manager, with what Istio sets on each."""
    return {
        "name": name,
        "address": socket_address(address),
        "trafficDirection": direction,
        "filterChains": [{"filters": [connection_manager(manager)]}],
    }


def connection_manager(manager: Json) -> Json:
    """The network filter for HTTP."""
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typedConfig": {"@type": _HCM, **_COMMON_OPTIONS, **manager},
    }


_COMMON_OPTIONS: Json = {
    "streamIdleTimeout": "0s",
    "normalizePath": True,
    "pathWithEscapedSlashesAction": "KEEP_UNCHANGED",
    "proxy100Continue": True,
    "upgradeConfigs": [{"upgradeType": "websocket"}],
    "requestIdExtension": {
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
            "useRequestIdForTraceSampling": True,
        }
    },
}
