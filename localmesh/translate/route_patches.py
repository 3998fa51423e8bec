"""Patches of route configurations, virtual hosts and routes by EnvoyFilters.

istiod: pilot/pkg/networking/core/envoyfilter/rc_patch.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog.envoy_filters import Patch
from localmesh.envoy_messages.documents import merged
from localmesh.kinds.envoy_filter import MESSAGES
from localmesh.translate.listener_patches import GATEWAY

Json = dict[str, Any]

_ACTIONS = {"ROUTE": "route", "REDIRECT": "redirect", "DIRECT_RESPONSE": "directResponse"}


@dataclass(frozen=True, slots=True)
class RoutePatches:
    """The patches of one kind of traffic; `ports` are the Service ports of a gateway by its target ports."""

    patches: tuple[Patch, ...]
    context: str
    ports: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def apply(self, routes: Json) -> Json:
        """The patched route configuration."""
        own = [
            patch
            for patch in self.patches
            if patch.is_for(self.context) and self._table_matches(patch, routes)
        ]
        if not any(
            patch.applies_to in ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE") for patch in own
        ):
            return routes
        for patch in _of(own, "ROUTE_CONFIGURATION"):
            if patch.merges:
                routes = _merged(routes, patch)
        hosts = [
            patched for host in routes.get("virtualHosts", ()) if (patched := _host(host, own)) is not None
        ]
        added = [
            dict(patch.value)
            for patch in _of(own, "VIRTUAL_HOST")
            if patch.operation == "ADD" and patch.value
        ]
        return {**routes, "virtualHosts": [*hosts, *added]}

    def _table_matches(self, patch: Patch, routes: Json) -> bool:
        match = patch.match.get("routeConfiguration") or {}
        name, port = routes["name"], match.get("portNumber")
        if match.get("name") and match["name"] != name:
            return False
        if self.context != GATEWAY:
            return not port or port == _port_of(name)
        number, port_name, gateway = _gateway_parts(name)
        if match.get("portName") and match["portName"] != port_name:
            return False
        if match.get("gateway") and match["gateway"] != gateway:
            return False
        return not port or port in self.ports.get(number, {number})


def _of(patches: Sequence[Patch], kind: str) -> Iterator[Patch]:
    return (patch for patch in patches if patch.applies_to == kind)


def _port_of(name: str) -> int:
    """The port of a sidecar's route configuration: `80`, or `inbound|8080||`; 0 for any other name."""
    number = name.split("|")[1] if name.startswith("inbound|") else name
    return int(number) if number.isdigit() else 0


def _gateway_parts(name: str) -> tuple[int, str, str]:
    """Port, port name and gateway of a name such as `http.8080` or `https.443.https.edge.shop`."""
    parts = name.split(".")
    if parts[0] == "http" and len(parts) > 1 and parts[1].isdigit():
        return int(parts[1]), "", ""
    if parts[0] == "https" and len(parts) == 5 and parts[1].isdigit():
        return int(parts[1]), parts[2], f"{parts[4]}/{parts[3]}"
    return 0, "", ""


def _merged(document: Json, patch: Patch) -> Json:
    lists = patch.operation == "MERGE_AND_REPLACE_LIST"
    return merged(MESSAGES[patch.applies_to], document, patch.value or {}, replace_lists=lists)


def _host_match(patch: Patch) -> Mapping[str, Any]:
    match: Mapping[str, Any] = (patch.match.get("routeConfiguration") or {}).get("vhost") or {}
    return match


def _host_matches(patch: Patch, host: Json) -> bool:
    match = _host_match(patch)
    name, domain = match.get("name"), match.get("domainName")
    return (not name or name == host["name"]) and (not domain or domain in host.get("domains", ()))


def _host(host: Json, patches: Sequence[Patch]) -> Json | None:
    for patch in _of(patches, "VIRTUAL_HOST"):
        if _host_matches(patch, host):
            if patch.operation == "REMOVE":
                return None
            if patch.merges:
                host = _merged(host, patch)
            elif patch.operation == "REPLACE":
                host = dict(patch.value or {})
    own = [patch for patch in _of(patches, "HTTP_ROUTE") if _host_matches(patch, host)]
    routes: list[Json | None] = [_route(route, own) for route in host.get("routes", ())]
    for patch in own:
        routes = _inserted(routes, patch)
    return {**host, "routes": [route for route in routes if route is not None]} if own else host


def _route(route: Json, patches: Sequence[Patch]) -> Json | None:
    for patch in patches:
        if _route_matches(patch, route):
            if patch.operation == "REMOVE":
                return None
            if patch.merges:
                route = _merged(route, patch)
    return route


def _route_matches(patch: Patch, route: Json | None) -> bool:
    match = _host_match(patch).get("route")
    if match is None:
        return True
    if route is None or (match.get("name") and match["name"] != route.get("name")):
        return False
    action = match.get("action", "ANY")
    return action == "ANY" or _ACTIONS.get(action) in route


def _inserted(routes: list[Json | None], patch: Patch) -> list[Json | None]:
    value, operation = dict(patch.value or {}), patch.operation
    if operation == "ADD":
        return [*routes, value]
    if not operation.startswith("INSERT_"):
        return routes
    if _host_match(patch).get("route") is None:
        return [*routes, value] if operation == "INSERT_AFTER" else [value, *routes]
    found = next((index for index, route in enumerate(routes) if _route_matches(patch, route)), None)
    if found is None:
        return routes
    position = {"INSERT_FIRST": 0, "INSERT_BEFORE": found, "INSERT_AFTER": found + 1}[operation]
    return [*routes[:position], value, *routes[position:]]
