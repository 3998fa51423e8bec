"""What share of one kind of call each version of a service is given, at a gateway or between sidecars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from loadgen.meshstate.api import Resources
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.routes import Call, Route, gateway_routes, mesh_route, qualified
from loadgen.meshstate.split import labels_of, shares_of


@dataclass(frozen=True, slots=True)
class Shares:
    """The share in 0..1 of each version that gets any, and the route that says so."""

    where: str
    shares: Mapping[str, float]


def shares_at_gateway(resources: Resources, service: str, call: Call) -> Shares:
    """How the ingress gateway divides a call among the versions of `service`."""
    return _shares(resources, service, edge_route(resources, call))


def shares_in_mesh(resources: Resources, service: str, call: Call, *, caller: str) -> Shares:
    """How the sidecar of `caller` divides its call among the versions of `service`."""
    return _shares(resources, service, route_in_mesh(resources, service, call, caller=caller))


def route_in_mesh(resources: Resources, service: str, call: Call, *, caller: str) -> Route:
    """The route that the sidecar of `caller` uses for a call to `service`."""
    route = mesh_route(resources, service, replace(call, source_labels=labels_of(resources, caller)))
    if route is None:
        raise NotConfigured(f"no VirtualService of namespace {resources.namespace} routes calls to {service}")
    return route


def edge_route(resources: Resources, call: Call) -> Route:
    """The route that the ingress gateway uses for a call."""
    routes = gateway_routes(resources, call)
    if not routes:
        raise NotConfigured(f"no VirtualService at a gateway routes {call.method} {call.path}")
    if len(routes) > 1:
        found = " and ".join(route.where for route in routes)
        raise UnsupportedConfig(
            f"{call.method} {call.path} is routed by {found}: which one counts is not known"
        )
    return routes[0]


def _shares(resources: Resources, service: str, route: Route) -> Shares:
    wanted = qualified(service, resources.namespace)
    others = {
        entry["destination"]["host"]
        for entry in route.destinations
        if qualified(entry["destination"]["host"], resources.namespace) != wanted
    }
    if others or not route.destinations:
        raise NotConfigured(
            f"{route.where} leads to {', '.join(sorted(others)) or 'no service'}, not {service}"
        )
    shares = shares_of(resources, route)
    return Shares(route.where, {version: share for version, share in sorted(shares.items()) if share})
