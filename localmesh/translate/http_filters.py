"""The HTTP filters of a proxy: which there are, in which order, and what a route sets for them.

The order is istiod's: security first, then faults, CORS, and the router last
(pilot/pkg/networking/core/listener_builder.go, `buildHTTPConnectionManager`). To add a filter, add it to
`HTTP_FILTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any

from localmesh.catalog import Action
from localmesh.catalog.http_routes import HttpRoute
from localmesh.formats.grpc import GRPC_STATUSES
from localmesh.translate.claims import JWT_FILTER
from localmesh.translate.formats import (
    ADS,
    DNS_CACHE,
    HUNDRED_PERCENT,
    duration,
    fraction,
    whole_seconds,
)
from localmesh.translate.matches import string_match
from localmesh.translate.metrics import PEER_TO_STORE

Json = dict[str, Any]
RouteSettings = Callable[[HttpRoute], Json | None]
"""What an HTTP route of a VirtualService sets for a filter; None: nothing."""

PORT_HEADER = "x-localmesh-authority"
"""A header with the authority and the port of a request, which exists only within the outbound listener."""

_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_NEVER: Mapping[str, Any] = {"numerator": 0, "denominator": "HUNDRED"}


class Position(Flag):
    """The listeners that have a filter."""

    INBOUND = auto()
    OUTBOUND = auto()
    GATEWAY = auto()
    SERVER = INBOUND | GATEWAY
    """The listeners that accept requests from the network."""
    ALL = INBOUND | OUTBOUND | GATEWAY


@dataclass(frozen=True, slots=True, eq=False)
class HttpFilter:
    """One HTTP filter.

    `slot`: the listener has only a slot of that name, filled over the stream of extension configurations,
    so that a changed policy applies to the next request of open connections too, and none of them is closed.
    `empty_type` is that of a filter which fills the slot where there is nothing to do, if it is another one.
    """

    name: str
    type: str
    position: Position
    settings: Mapping[str, Any] = field(default_factory=dict)
    slot: str = ""
    empty_type: str = ""
    route_settings: RouteSettings | None = None

    def in_listener(self) -> Json:
        """The filter in the list of a listener."""
        if self.slot:
            types = [self.type, *([self.empty_type] if self.empty_type else [])]
            return {"name": self.slot, "configDiscovery": {"configSource": ADS, "typeUrls": types}}
        return {"name": self.name, "typedConfig": {"@type": self.type, **self.settings}}


def http_filters(position: Position, *, grpc_web: bool = False) -> list[Json]:
    """The filters of a listener, in order; `grpc_web`: its port is declared to be gRPC-Web."""
    filters = [filter_ for filter_ in HTTP_FILTERS if position in filter_.position]
    return [item.in_listener() for item in filters if item is not GRPC_WEB or grpc_web]


def per_filter_config(route: HttpRoute) -> Json:
    """What an HTTP route of a VirtualService sets for the filters, by filter; empty if it sets nothing."""
    settings = {
        filter_.name: filter_.route_settings(route)
        for filter_ in HTTP_FILTERS
        if filter_.route_settings is not None
    }
    return {name: config for name, config in settings.items() if config is not None}


def _fault(route: HttpRoute) -> Json | None:
    """Istio, "Virtual Service", `HTTPFaultInjection`: without a percentage a fault is never injected."""
    delay, abort = route.fault.get("delay") or {}, route.fault.get("abort") or {}
    settings = {
        **({"delay": _delay(delay)} if "fixedDelay" in delay else {}),
        **({"abort": _abort(abort)} if abort.keys() & {"httpStatus", "grpcStatus"} else {}),
    }
    return {"@type": f"{_FILTERS}.fault.v3.HTTPFault", **settings} if settings else None


def _delay(delay: Mapping[str, Any]) -> Json:
    # the deprecated field has a sign, which istiod drops by conversion (translateIntegerToFractionalPercent)
    percentage = _percentage(delay) or {**_NEVER, "numerator": delay.get("percent", 0) % 2**32}
    return {"fixedDelay": duration(delay["fixedDelay"]), "percentage": percentage}


def _abort(abort: Mapping[str, Any]) -> Json:
    percentage = _percentage(abort)
    status = (
        {"httpStatus": abort["httpStatus"]}
        if "httpStatus" in abort
        else {"grpcStatus": GRPC_STATUSES[abort["grpcStatus"]]}
    )
    return {**status, **({"percentage": percentage} if percentage else {})}


def _percentage(fault: Mapping[str, Any]) -> Mapping[str, Any] | None:
    percentage = fault.get("percentage")
    return None if percentage is None else fraction(percentage.get("value", 0))


def _cors(route: HttpRoute) -> Json | None:
    """Istio, "Virtual Service", `CorsPolicy`: a preflight with an unknown origin goes to the application."""
    policy = route.cors_policy
    if policy is None:
        return None
    origins = [string_match(origin) for origin in policy.get("allowOrigins") or ()]
    origins = origins or [{"exact": origin} for origin in policy.get("allowOrigin") or ()]
    lists = ("allowMethods", "allowHeaders", "exposeHeaders")
    return {
        "@type": f"{_FILTERS}.cors.v3.CorsPolicy",
        "filterEnabled": {"defaultValue": HUNDRED_PERCENT},
        "forwardNotMatchingPreflights": policy.get("unmatchedPreflights") != "IGNORE",
        **({"allowOriginStringMatch": origins} if origins else {}),
        **{name: ",".join(policy[name]) for name in lists if policy.get(name)},
        **({"maxAge": str(whole_seconds(policy["maxAge"]))} if "maxAge" in policy else {}),
        **{name: policy[name] for name in ("allowCredentials",) if name in policy},
    }


JWT = HttpFilter(
    name=JWT_FILTER,
    type=f"{_FILTERS}.jwt_authn.v3.JwtAuthentication",
    position=Position.SERVER,
    slot="tokens",
)
RBAC: Mapping[Action, HttpFilter] = {
    action: HttpFilter(
        name="envoy.filters.http.rbac",
        type=f"{_FILTERS}.rbac.v3.RBAC",
        position=Position.SERVER,
        slot=f"rules-{action.value.lower()}",
    )
    for action in Action
}
"""One for each action, in the order in which Istio evaluates them."""
AUTHORIZER = HttpFilter(
    name="envoy.filters.http.ext_authz",
    type=f"{_FILTERS}.ext_authz.v3.ExtAuthz",
    position=Position.SERVER,
    slot="authorizer",
    empty_type=RBAC[Action.CUSTOM].type,
)
"""Asks an external authorizer about what the filter for CUSTOM policies has noted."""

POLICY_FILTERS = (
    RBAC[Action.CUSTOM],
    AUTHORIZER,
    JWT,
    *(filter_ for action, filter_ in RBAC.items() if action is not Action.CUSTOM),
)
"""The filters that security policies fill, in their order."""

GRPC_WEB = HttpFilter(
    name="envoy.filters.http.grpc_web",
    type=f"{_FILTERS}.grpc_web.v3.GrpcWeb",
    position=Position.SERVER,
)
"""Makes gRPC of what browsers send; only on ports of that protocol."""

HTTP_FILTERS: tuple[HttpFilter, ...] = (
    HttpFilter(
        name="envoy.filters.http.header_to_metadata",
        type=f"{_FILTERS}.header_to_metadata.v3.Config",
        position=Position.INBOUND,
        settings=PEER_TO_STORE,
    ),
    *POLICY_FILTERS,
    GRPC_WEB,
    HttpFilter(
        name="envoy.filters.http.header_mutation",
        type=f"{_FILTERS}.header_mutation.v3.HeaderMutation",
        position=Position.OUTBOUND,
        settings={"mutations": {"requestMutations": [{"remove": PORT_HEADER}]}},
    ),
    HttpFilter(
        name="envoy.filters.http.fault",
        type=f"{_FILTERS}.fault.v3.HTTPFault",
        position=Position.ALL,
        route_settings=_fault,
    ),
    HttpFilter(
        name="envoy.filters.http.cors",
        type=f"{_FILTERS}.cors.v3.Cors",
        position=Position.ALL,
        route_settings=_cors,
    ),
    HttpFilter(
        name="envoy.filters.http.grpc_stats",
        type=f"{_FILTERS}.grpc_stats.v3.FilterConfig",
        position=Position.ALL,
        settings={"emitFilterState": True, "statsForAllMethods": False},
    ),
    # it resolves names, which Istio leaves to the application: a fault is injected whatever comes of that
    HttpFilter(
        name="envoy.filters.http.dynamic_forward_proxy",
        type=f"{_FILTERS}.dynamic_forward_proxy.v3.FilterConfig",
        position=Position.OUTBOUND,
        settings={"dnsCacheConfig": DNS_CACHE},
    ),
    HttpFilter(
        name="envoy.filters.http.router",
        type=f"{_FILTERS}.router.v3.Router",
        position=Position.ALL,
    ),
)
"""All filters in their order."""
