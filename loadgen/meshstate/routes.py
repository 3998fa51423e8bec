"""Which VirtualService route takes a call, at the gateway and between sidecars."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loadgen.meshstate.resources import (
    NotConfigured,
    Object,
    Resources,
    UnsupportedConfig,
    oldest_first,
    qualified,
)

MESH = "mesh"
"""The gateway name that means all sidecars."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the proxy that routes it sees it; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    source_labels: Mapping[str, str] = field(default_factory=dict)
    port: int = 80


@dataclass(frozen=True, slots=True)
class CallPath:
    """The call at the gateway, and the one that `entry` then makes to `service`."""

    entry: str
    at_gateway: Call
    service: str
    in_mesh: Call


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a VirtualService's `spec.http`, and where it is."""

    where: str
    spec: Object

    @property
    def destinations(self) -> list[Mapping[str, Any]]:
        """The entries of `route`; empty for redirects, delegates and direct responses."""
        return list(self.spec.get("route", ()))

    def without(self, *fields: str) -> Route:
        """The same route without some of its fields."""
        return Route(self.where, {name: value for name, value in self.spec.items() if name not in fields})


def mesh_route(resources: Resources, service: str, call: Call) -> Route | None:
    """The route that sidecars use for a call to a Service, or None if no VirtualService is for it.

    Among several VirtualServices the most specific host wins, then the oldest.
    """
    host = qualified(service, resources.namespace)
    ranked = [
        (specificity, virtual_service)
        for virtual_service in oldest_first(resources.virtual_services)
        if MESH in virtual_service["spec"].get("gateways", [MESH])
        and (specificity := _specificity(virtual_service, host, resources.namespace)) >= 0
    ]
    if not ranked:
        return None
    _, best = max(ranked, key=lambda entry: entry[0])
    return first_match(best, call, gateway=MESH)


def inner_route(resources: Resources, path: CallPath) -> Route | None:
    """The route that the entry service's sidecar uses for its call, or None."""
    call = replace(path.in_mesh, source_labels=resources.labels_of(path.entry))
    return mesh_route(resources, path.service, call)


def route_in_mesh(resources: Resources, service: str, call: Call, *, caller: str) -> Route:
    """The route that the sidecar of `caller` uses for a call to `service`."""
    route = mesh_route(resources, service, replace(call, source_labels=resources.labels_of(caller)))
    if route is None:
        raise NotConfigured(f"no VirtualService of namespace {resources.namespace} routes calls to {service}")
    return route


def gateway_routes(resources: Resources, call: Call) -> list[Route]:
    """The routes that gateways may use for a call: the first match of each VirtualService bound to one."""
    routes = []
    for virtual_service in oldest_first(_of_the_mesh(resources)):
        matches = (
            first_match(virtual_service, call, gateway=gateway) for gateway in _gateways(virtual_service)
        )
        routes += [route for route in matches if route is not None][:1]
    return routes


def edge_route(resources: Resources, call: Call) -> Route:
    """The route that the ingress gateway uses for a call."""
    routes = gateway_routes(resources, call)
    if not routes:
        raise NotConfigured(f"no VirtualService at a gateway routes {call.method} {call.path}")
    if len(routes) > 1:
        places = " and ".join(route.where for route in routes)
        raise UnsupportedConfig(
            f"{places} route {call.method} {call.path}: which one takes precedence is not evaluated here"
        )
    return routes[0]


def gateway_routes_with(resources: Resources, *fields: str) -> list[tuple[str, Route]]:
    """The gateway's routes that have a value at this path of fields, each with a URL path that it takes.

    Raises NotConfigured if there is none, UnsupportedConfig if a route takes no path that is known here.
    """
    routes = [
        (_path_of(route, resources), route)
        for route in _routes_at_gateways(resources)
        if _value(route.spec, fields) is not None
    ]
    if not routes:
        raise NotConfigured(f"no route at the gateway has {'.'.join(fields)}")
    return routes


def _of_the_mesh(resources: Resources) -> list[Object]:
    """The VirtualServices without those of hosts outside, which belong to egress gateways."""
    outside = {host for entry in resources.service_entries for host in entry["spec"]["hosts"]}
    return [item for item in resources.virtual_services if not outside.issuperset(item["spec"]["hosts"])]


def _routes_at_gateways(resources: Resources) -> Iterator[Route]:
    for item in _of_the_mesh(resources):
        if _gateways(item):
            for index, spec in enumerate(item["spec"].get("http", ())):
                yield Route(_where(item, index), spec)


def _value(spec: Mapping[str, Any], fields: tuple[str, ...]) -> Any:
    value: Any = spec
    for name in fields:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _path_of(route: Route, resources: Resources) -> str:
    """A path that this route takes, and no earlier one."""
    uri = (route.spec.get("match") or [{}])[0].get("uri") or {"prefix": "/"}
    path = uri.get("exact") or uri.get("prefix")
    if path is None or edge_route(resources, Call("GET", path)).spec is not route.spec:
        raise UnsupportedConfig(f"which requests {route.where} takes is not evaluated here")
    return str(path)


def first_match(virtual_service: Object, call: Call, *, gateway: str) -> Route | None:
    """The first entry of `spec.http` that takes the call, in the order in which Envoy tries them."""
    for index, route in enumerate(virtual_service["spec"].get("http", ())):
        where = _where(virtual_service, index)
        conditions = route.get("match") or [{}]
        if any(_matches(condition, call, gateway, where) for condition in conditions):
            return Route(where, route)
    return None


def _where(virtual_service: Object, index: int) -> str:
    metadata, kind = virtual_service["metadata"], virtual_service.get("kind", "VirtualService")
    place = f"spec.http[{index}]"
    if kind != "VirtualService":
        place = f"spec.rules[{virtual_service['spec']['written'][index]}]"
    return f"{kind} {metadata.get('namespace', 'default')}/{metadata['name']}, {place}"


def _gateways(virtual_service: Object) -> list[str]:
    """The gateways that a VirtualService is bound to, other than the sidecars."""
    return sorted(set(virtual_service["spec"].get("gateways", [MESH])) - {MESH})


def _specificity(virtual_service: Object, host: str, namespace: str) -> int:
    """The length of the most specific host that covers the given one; -1 if none does."""
    hosts = [qualified(name, namespace) for name in virtual_service["spec"].get("hosts", ())]
    covering = [name for name in hosts if name == host or (name.startswith("*") and host.endswith(name[1:]))]
    return max((len(host) + 1 if name == host else len(name) for name in covering), default=-1)


_IGNORED = {"name", "statPrefix", "ignoreUriCase"}
_EVALUATED = {"uri", "method", "headers", "withoutHeaders", "sourceLabels", "gateways", "port"}


def _matches(condition: Object, call: Call, gateway: str, where: str) -> bool:
    unknown = set(condition) - _EVALUATED - _IGNORED
    if unknown:
        raise UnsupportedConfig(
            f"{where} matches by {', '.join(sorted(unknown))}, which loadgen does not evaluate"
        )
    labels = condition.get("sourceLabels", {})
    return (
        gateway in condition.get("gateways", [gateway])
        and condition.get("port", call.port) == call.port
        and all(call.source_labels.get(name) == value for name, value in labels.items())
        and _text_matches(condition.get("uri"), call.path, ignore_case=bool(condition.get("ignoreUriCase")))
        and _text_matches(condition.get("method"), call.method)
        and _headers_match(condition, call)
    )


def _headers_match(condition: Object, call: Call) -> bool:
    required = condition.get("headers", {})
    excluded = condition.get("withoutHeaders", {})
    return all(_header_matches(name, match, call) for name, match in required.items()) and not any(
        _header_matches(name, match, call) for name, match in excluded.items()
    )


def _header_matches(name: str, match: Object, call: Call) -> bool:
    value = call.headers.get(name.lower())
    return value is not None and _text_matches(match, value)


def _text_matches(match: Object | None, text: str, *, ignore_case: bool = False) -> bool:
    """Istio's StringMatch; an absent or empty one matches everything."""
    if not match:
        return True
    ((kind, pattern),) = match.items()
    if kind == "regex":
        return re.fullmatch(pattern, text) is not None
    if ignore_case:
        pattern, text = pattern.lower(), text.lower()
    return bool(text == pattern if kind == "exact" else text.startswith(pattern))
