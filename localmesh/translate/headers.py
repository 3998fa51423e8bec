"""Header operations of a VirtualService (Istio, "Virtual Service", `Headers`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
_SIDES = (("request", "requestHeaders"), ("response", "responseHeaders"))
_LISTS = tuple(f"{prefix}{what}" for _, prefix in _SIDES for what in ("ToAdd", "ToRemove"))


def header_operations(headers: Mapping[str, Any] | None) -> tuple[Json, str]:
    """Envoy's add and remove lists, and the authority that setting `Host` asks for ("" if none).

    Every `set`, sorted by name, comes before every `add`; pseudo headers and `Host` cannot be added or
    removed in Envoy, so a `Host` becomes a host rewrite and the rest is left out.
    """
    out: Json = {}
    authority = ""
    for side, prefix in _SIDES:
        operations = (headers or {}).get(side) or {}
        to_set, to_add = operations.get("set") or {}, operations.get("add") or {}
        added = _values(to_set, "OVERWRITE_IF_EXISTS_OR_ADD") + _values(to_add, "APPEND_IF_EXISTS_OR_ADD")
        if added:
            out[f"{prefix}ToAdd"] = added
        removed = [name for name in operations.get("remove") or () if not _is_internal(name)]
        if removed:
            out[f"{prefix}ToRemove"] = removed
        if side == "request":
            authority = _authority(to_set) or _authority(to_add)
    return out, authority


def append_operations(route: Json, operations: Mapping[str, Any]) -> None:
    """Adds a single destination's operations behind the route's own."""
    for name in _LISTS:
        if name in operations:
            route[name] = route.get(name, []) + operations[name]


def _values(headers: Mapping[str, str], action: str) -> list[Json]:
    return [
        {"header": {"key": name, "value": headers[name]}, "appendAction": action}
        for name in sorted(headers)
        if not _is_internal(name)
    ]


def _is_internal(name: str) -> bool:
    return name.startswith(":") or name.lower() == "host"


def _authority(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() in ("host", ":authority")), "")
