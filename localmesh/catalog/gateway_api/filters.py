"""The filters of rules as the fields of a VirtualService's route (istiod: conversion.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from localmesh.catalog.gateway_api.inputs import Block
from localmesh.formats.regexes import quote_meta

Json = dict[str, Any]

_ANY_ORIGIN = r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$"
_SIDES = {
    "RequestHeaderModifier": ("request", "requestHeaderModifier"),
    "ResponseHeaderModifier": ("response", "responseHeaderModifier"),
}


def header_filters(filters: Iterable[Block], others: Callable[[Block], None]) -> Json:
    """The `headers` block of the filters that change headers; `others` gets all other filters."""
    headers: Json = {}
    for entry in filters:
        if entry["type"] not in _SIDES:
            others(entry)
            continue
        side, key = _SIDES[entry["type"]]
        headers[side] = _operations(entry[key])
    return headers


def _operations(modifier: Block) -> Json:
    out: Json = {}
    for key in ("set", "add"):
        if modifier.get(key):
            out[key] = _first_values(modifier[key])
    if modifier.get("remove"):
        out["remove"] = list(modifier["remove"])
    return out


def _first_values(headers: Iterable[Block]) -> dict[str, str]:
    """The values by name in lower case; of several for one name the first counts."""
    out: dict[str, str] = {}
    for header in headers:
        out.setdefault(header["name"].lower(), header["value"])
    return out


def redirect(block: Block) -> Json:
    """The filter RequestRedirect. The port is that of the request, unless the scheme changes."""
    out: Json = {"redirectCode": block.get("statusCode", 302)}
    if "hostname" in block:
        out["authority"] = block["hostname"]
    if "scheme" in block:
        out["scheme"] = block["scheme"]
    if "port" in block:
        out["port"] = block["port"]
    else:
        out["derivePort"] = "FROM_PROTOCOL_DEFAULT" if "scheme" in block else "FROM_REQUEST_PORT"
    path = block.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        out["uri"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        out["prefixRewrite"] = path["replacePrefixMatch"]
    return out


def rewrite(block: Block) -> Json:
    """The filter URLRewrite; empty if it changes nothing."""
    out: Json = {}
    path = block.get("path") or {}
    if path.get("type") == "ReplacePrefixMatch":
        out["uri"] = path["replacePrefixMatch"].removesuffix("/") or "/"
    elif path.get("type") == "ReplaceFullPath":
        out["uriRegexRewrite"] = {"match": "/.*", "rewrite": path["replaceFullPath"]}
    if block.get("hostname"):
        out["authority"] = block["hostname"]
    return out


def cors(block: Block) -> Json:
    """The filter CORS. A preflight from another origin is answered by the proxy, not by the application."""
    out: Json = {"unmatchedPreflights": "IGNORE"}
    origins = [_origin(origin) for origin in block.get("allowOrigins") or () if origin]
    if origins:
        out["allowOrigins"] = origins
    if block.get("allowCredentials"):
        out["allowCredentials"] = True
    for key in ("allowMethods", "allowHeaders", "exposeHeaders"):
        if block.get(key):
            out[key] = list(block[key])
    if (age := block.get("maxAge", 5)) > 0:
        out["maxAge"] = f"{age}s"
    return out


def _origin(origin: str) -> dict[str, str]:
    if origin == "*":
        return {"regex": _ANY_ORIGIN}
    if "*" not in origin:
        return {"exact": origin}
    if origin.count("*") == 1 and origin.endswith("*"):
        return {"prefix": origin[:-1]}
    return {"regex": f"^{quote_meta(origin).replace(chr(92) + '*', '.*')}$"}
