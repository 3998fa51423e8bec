"""Routes at a gateway that do something to a request or its answer, and a path that leads to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loadgen.meshstate.api import Resources
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.routes import MESH, Call, Route
from loadgen.meshstate.shares import edge_route


def routes_with(resources: Resources, *fields: str) -> list[tuple[str, Route]]:
    """The gateway's routes that have a value at this path of fields, each with a path that leads there.

    Raises NotInForce if there is none, NotUnderstood if it is not known how to get there.
    """
    found = [
        (_path(route, resources), route)
        for route in _gateway_routes(resources)
        if _value(route.spec, fields) is not None
    ]
    if not found:
        raise NotConfigured(f"no route at the gateway has {'.'.join(fields)}")
    return found


def _gateway_routes(resources: Resources) -> Iterator[Route]:
    for item in resources.virtual_services:
        if set(item["spec"].get("gateways", [MESH])) - {MESH}:
            name = f"VirtualService {item['metadata'].get('namespace', 'default')}/{item['metadata']['name']}"
            for index, spec in enumerate(item["spec"].get("http", ())):
                yield Route(f"{name}, spec.http[{index}]", spec)


def _value(spec: Mapping[str, Any], fields: tuple[str, ...]) -> Any:
    value: Any = spec
    for field in fields:
        value = value.get(field) if isinstance(value, Mapping) else None
    return value


def _path(route: Route, resources: Resources) -> str:
    """A path that this route takes, and no earlier one."""
    uri = (route.spec.get("match") or [{}])[0].get("uri") or {"prefix": "/"}
    path = uri.get("exact") or uri.get("prefix")
    if path is None or edge_route(resources, Call("GET", path)).spec is not route.spec:
        raise UnsupportedConfig(f"which requests {route.where} takes is not evaluated here")
    return str(path)
