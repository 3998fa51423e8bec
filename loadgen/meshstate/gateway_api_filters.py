"""Filters of HTTPRoutes as the fields of a VirtualService's route."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Filter = Mapping[str, Any]

_MODIFIERS = {"requestHeaderModifier": "request", "responseHeaderModifier": "response"}


def operations(filters: Iterable[Filter]) -> dict[str, Any]:
    """What filters do to requests and answers; those that have no such form remain under `filters`."""
    fields: dict[str, Any] = {}
    others = []
    for each in filters:
        block = next((name for name in each if name != "type"), "")
        if block in _MODIFIERS:
            fields.setdefault("headers", {})[_MODIFIERS[block]] = _header_operations(each[block])
        elif block == "urlRewrite" and "replaceFullPath" in each[block].get("path", {}):
            fields["rewrite"] = {"uri": each[block]["path"]["replaceFullPath"]}
        elif block == "requestRedirect":
            fields["redirect"] = _redirect(each[block])
        elif block == "cors":
            fields["corsPolicy"] = _cors(each[block])
        else:
            others.append(each)
    return {**fields, **({"filters": others} if others else {})}


def _header_operations(block: Filter) -> dict[str, Any]:
    named = {
        kind: {entry["name"]: entry["value"] for entry in block.get(kind, ())} for kind in ("set", "add")
    }
    return {**named, "remove": list(block.get("remove", ()))}


def _redirect(block: Filter) -> dict[str, Any]:
    """The default of the Gateway API is 302, that of a VirtualService 301."""
    out: dict[str, Any] = {"redirectCode": block.get("statusCode", 302)}
    for name, field in (("scheme", "scheme"), ("hostname", "authority"), ("port", "port")):
        if name in block:
            out[field] = block[name]
    path = block.get("path", {})
    if path:
        out["uri"] = path.get("replaceFullPath", path.get("replacePrefixMatch"))
    return out


def _cors(block: Filter) -> dict[str, Any]:
    """An origin has the text that a browser sends; ages are in seconds."""
    out = {name: block[name] for name in ("allowMethods", "allowHeaders", "exposeHeaders") if name in block}
    out["allowOrigins"] = [{"exact": origin} for origin in block.get("allowOrigins", ())]
    return {**out, "maxAge": f"{block.get('maxAge', 5)}s"}
