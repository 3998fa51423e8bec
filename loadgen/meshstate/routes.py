"""Which VirtualService route takes a call: what an expectation has to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadgen.meshstate.api import Object, Resources
from loadgen.meshstate.errors import UnsupportedConfig

MESH = "mesh"
"""The gateway that stands for all sidecars."""


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
    """A request's way: the call at the gateway, and the one to `service` that `entry` makes because of it."""

    entry: str
    at_gateway: Call
    service: str
    in_mesh: Call


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a VirtualService's `spec.http`, and where it stands."""

    where: str
    spec: Object

    @property
    def destinations(self) -> list[Mapping[str, Any]]:
        """The entries of `route`; empty for redirects, delegates and direct responses."""
        return list(self.spec.get("route", ()))


def qualified(host: str, namespace: str) -> str:
    """The full name of a host: one without a dot is a Service of the namespace."""
    return host if "." in host or host == "*" else f"{host}.{namespace}.svc.cluster.local"


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


def gateway_routes(resources: Resources, call: Call) -> list[Route]:
    """The routes that gateways may use for a call: the first match of each VirtualService bound to one."""
    found = []
    for virtual_service in oldest_first(resources.virtual_services):
        gateways = set(virtual_service["spec"].get("gateways", [MESH])) - {MESH}
        matches = [first_match(virtual_service, call, gateway=gateway) for gateway in sorted(gateways)]
        found += [route for route in matches if route is not None][:1]
    return found


def first_match(virtual_service: Object, call: Call, *, gateway: str) -> Route | None:
    """The first entry of `spec.http` that takes the call, as Envoy would try them."""
    metadata = virtual_service["metadata"]
    name = f"VirtualService {metadata.get('namespace', 'default')}/{metadata['name']}"
    for index, route in enumerate(virtual_service["spec"].get("http", ())):
        where = f"{name}, spec.http[{index}]"
        conditions = route.get("match") or [{}]
        if any(_matches(condition, call, gateway, where) for condition in conditions):
            return Route(where, route)
    return None


def oldest_first(virtual_services: Iterable[Object]) -> list[Object]:
    """Istio's order of precedence: creation time, then name."""
    return sorted(
        virtual_services,
        key=lambda item: (item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]),
    )


def _specificity(virtual_service: Object, host: str, namespace: str) -> int:
    """The length of the most specific host that covers ours; -1 if none does."""
    hosts = [qualified(name, namespace) for name in virtual_service["spec"].get("hosts", ())]
    covering = [name for name in hosts if name == host or (name.startswith("*") and host.endswith(name[1:]))]
    return max((len(host) + 1 if name == host else len(name) for name in covering), default=-1)


_IGNORED = {"name", "statPrefix", "ignoreUriCase"}
_PARTS = {"uri", "method", "headers", "withoutHeaders", "sourceLabels", "gateways", "port"}


def _matches(condition: Object, call: Call, gateway: str, where: str) -> bool:
    unknown = set(condition) - _PARTS - _IGNORED
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
    wanted = condition.get("headers", {})
    unwanted = condition.get("withoutHeaders", {})
    return all(_header_matches(name, match, call) for name, match in wanted.items()) and not any(
        _header_matches(name, match, call) for name, match in unwanted.items()
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
