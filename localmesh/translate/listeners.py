"""Listeners: where a proxy accepts requests, and what each request passes before it is routed.

Istio intercepts a pod's connections and has a listener for each Service port. Without root nothing can be
intercepted, so a sidecar here has one explicit HTTP proxy port (as with Istio's `proxyHttpPort`) and chooses
the route configuration by the port in the request's authority. Listeners do not change when routes do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from localmesh.catalog import Address, Catalog, Proxy
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import ADS, socket_address
from localmesh.translate.http_filters import PORT_HEADER, Position, http_filters
from localmesh.translate.keys import ProxyKey
from localmesh.translate.telemetry import ProxyTelemetry
from localmesh.translate.tracing import request_ids

Json = dict[str, Any]

OUTBOUND = "outbound"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class OutboundListener(NamedTuple):
    """The HTTP proxy port of a sidecar."""

    key: ProxyKey
    address: Address | None
    telemetry: ProxyTelemetry

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> OutboundListener:
        """The address, where the proxy has such a port."""
        return cls(ProxyKey.of(proxy), proxy.outbound, ProxyTelemetry.of(catalog, proxy))

    def build(self, _parts: PartCache) -> ProxyConfig:
        """One listener, or none."""
        if self.address is None:
            return ProxyConfig()
        return ProxyConfig(listeners=(_outbound_listener(self.address, self.telemetry),))


def _outbound_listener(address: Address, telemetry: ProxyTelemetry) -> Json:
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
        **telemetry.sent_requests(authority),
        "httpFilters": http_filters(Position.OUTBOUND),
        "upgradeConfigs": [{"upgradeType": "websocket"}, {"upgradeType": "CONNECT"}],
        "useRemoteAddress": False,
    }
    return http_listener("outbound", address, manager, "OUTBOUND")


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
    **request_ids(decide_about_traces=True),
}
