"""Listeners: where a proxy accepts requests, and what each passes before it is routed.

Istio catches a pod's connections and has a listener per Service port. A process without root cannot be
caught, so a sidecar here has one explicit HTTP proxy port (as with Istio's `proxyHttpPort`) and chooses the
route configuration by the port in the request's authority; listeners never change when routes do.
"""

from __future__ import annotations

from typing import Any

from localmesh.catalog import (
    Address,
    Catalog,
    GatewayWorkload,
    Inbound,
    MutualTls,
    Proxy,
    Service,
    ServicePort,
)
from localmesh.translate.addresses import ADS, DNS_CACHE, socket_address
from localmesh.translate.clusters import inbound_service
from localmesh.translate.filters import CORS, FAULT
from localmesh.translate.inbound_routes import inbound_route
from localmesh.translate.policies import policy_slots
from localmesh.translate.tls import filter_chains, tls_inspector

Json = dict[str, Any]

OUTBOUND = "outbound"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_PORT_HEADER = "x-localmesh-authority"
_ROUTER = "envoy.filters.http.router"


def outbound_listener(address: Address) -> Json:
    """The HTTP proxy port of a sidecar.

    The scope of a request is the port in its authority. A header that carries the authority with ``:80``
    behind it has the port as its second part whether the caller wrote one or not; it is made before the
    scope is chosen and taken off before the request leaves.
    """
    authority: Json = {
        "append": {
            "header": {"key": _PORT_HEADER, "value": "%REQ(:AUTHORITY)%:80"},
            "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    manager: Json = {
        "statPrefix": OUTBOUND,
        "scopedRoutes": {
            "name": OUTBOUND,
            "scopeKeyBuilder": {
                "fragments": [
                    {
                        "headerValueExtractor": {
                            "name": _PORT_HEADER,
                            "elementSeparator": ":",
                            "index": 1,
                        }
                    }
                ]
            },
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
        "httpFilters": _http_filters(_take_off_port_header(), _look_up_unknown_hosts()),
        "useRemoteAddress": False,
    }
    return _listener("outbound", address, manager, "OUTBOUND")


def scopes(ports: list[int]) -> list[Json]:
    """One scope per Service port: requests to that port use the route configuration of its name."""
    return [
        {
            "name": str(port),
            "routeConfigurationName": str(port),
            "key": {"fragments": [{"stringKey": str(port)}]},
        }
        for port in ports
    ]


def intercepts(catalog: Catalog, proxy: Proxy, port: int) -> bool:
    """Whether a sidecar listens for a container port of its pod."""
    return any(
        inbound.container_port == port and _http_service(catalog, proxy, inbound) for inbound in proxy.inbound
    )


def _http_service(catalog: Catalog, proxy: Proxy, inbound: Inbound) -> tuple[Service, ServicePort] | None:
    found = inbound_service(catalog, proxy, inbound)
    return found if found and found[1].protocol.may_be_http else None


def inbound_listeners(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """A listener per container port of the pod that a Service sends HTTP to."""
    out = []
    for inbound in proxy.inbound:
        found = _http_service(catalog, proxy, inbound)
        if found is None:
            continue
        route = inbound_route(found[0], found[1], inbound)
        mode = catalog.peer_authentications.mode(proxy.namespace, proxy.labels, inbound.container_port)
        out.append(_inbound_listener(inbound, route, mode, http2=found[1].protocol.is_http2))
    return out


def _inbound_listener(inbound: Inbound, route: Json, mode: MutualTls, *, http2: bool) -> Json:
    manager: Json = {
        "statPrefix": f"inbound_{inbound.container_port}",
        "routeConfig": route,
        "serverName": "istio-envoy",
        "httpFilters": _http_filters(*policy_slots()),
        "useRemoteAddress": False,
        "forwardClientCertDetails": "APPEND_FORWARD",
        "setCurrentClientCertDetails": {"subject": True, "dns": True, "uri": True},
        **({"http2ProtocolOptions": {}} if http2 else {}),
    }
    listener = _listener(f"inbound_{inbound.container_port}", inbound.listen, manager, "INBOUND")
    filters = listener["filterChains"][0]["filters"]
    return {
        **listener,
        # always there, so that a change of mode replaces filter chains only and not the listener
        "listenerFilters": [tls_inspector()],
        "listenerFiltersTimeout": "0s",
        "continueOnListenerFiltersTimeout": True,
        "filterChains": filter_chains(f"0.0.0.0_{inbound.container_port}", filters, mode),
    }


def gateway_listeners(proxy: Proxy, gateway: GatewayWorkload) -> list[Json]:
    """A listener per port of a gateway's HTTP servers; servers of one port share it."""
    routes = {server.target_port: server.route_name for server in gateway.servers}
    out = []
    for port, route_name in sorted(routes.items()):
        manager: Json = {
            "statPrefix": f"outbound_0.0.0.0_{port}",
            "rds": {"configSource": ADS, "routeConfigName": route_name},
            "serverName": "istio-envoy",
            "httpFilters": _http_filters(*policy_slots()),
            "useRemoteAddress": True,
            "httpProtocolOptions": {},
            "forwardClientCertDetails": "SANITIZE_SET",
            "setCurrentClientCertDetails": {"subject": True, "cert": True, "dns": True, "uri": True},
        }
        out.append(_listener(f"0.0.0.0_{port}", proxy.listen[port], manager, "OUTBOUND"))
    return out


def _listener(name: str, address: Address, manager: Json, direction: str) -> Json:
    return {
        "name": name,
        "address": socket_address(address),
        "trafficDirection": direction,
        "filterChains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typedConfig": {"@type": _HCM, **_common_options(), **manager},
                    }
                ]
            }
        ],
    }


def _common_options() -> Json:
    return {
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


def _http_filters(*before: Json) -> list[Json]:
    return [
        *before,
        _filter(FAULT, "envoy.extensions.filters.http.fault.v3.HTTPFault"),
        _filter(CORS, "envoy.extensions.filters.http.cors.v3.Cors"),
        _filter(_ROUTER, "envoy.extensions.filters.http.router.v3.Router"),
    ]


def _filter(name: str, message: str) -> Json:
    return {"name": name, "typedConfig": {"@type": f"type.googleapis.com/{message}"}}


def _take_off_port_header() -> Json:
    removal = _filter(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    )
    removal["typedConfig"]["mutations"] = {"requestMutations": [{"remove": _PORT_HEADER}]}
    return removal


def _look_up_unknown_hosts() -> Json:
    lookup = _filter(
        "envoy.filters.http.dynamic_forward_proxy",
        "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
    )
    lookup["typedConfig"]["dnsCacheConfig"] = DNS_CACHE
    return lookup
