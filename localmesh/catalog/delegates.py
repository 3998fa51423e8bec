"""Delegation: a root VirtualService leaves the routes below a match to another one.

The rules are those of Istio, "Virtual Service", `Delegate`: a route of the delegate whose match is not within
the root's is left out; what the delegate does not set it inherits from the root.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RouteBlock = Mapping[str, Any]
HttpMatch = Mapping[str, Any]

_INHERITED = (
    "rewrite",
    "directResponse",
    "timeout",
    "retries",
    "fault",
    "mirror",
    "mirrors",
    "mirrorPercent",
    "mirrorPercentage",
    "corsPolicy",
    "headers",
)
_STRING_MATCHES = ("uri", "scheme", "method", "authority")
_MATCH_MAPS = ("headers", "withoutHeaders", "queryParams")


def merge_route(root: RouteBlock, delegate: RouteBlock) -> RouteBlock | None:
    """A route of a delegate merged into its root; None if it contradicts the root."""
    matches = _merge_matches(root.get("match") or [], delegate.get("match") or [])
    if matches is None:
        return None
    route = {**{field: root[field] for field in _INHERITED if field in root}, **delegate}
    route.pop("match", None)
    if matches:
        route["match"] = matches
    name = _joined(root.get("name", ""), delegate.get("name", ""))
    if name:
        route["name"] = name
    return route


def _joined(root: str, delegate: str) -> str:
    return f"{root}-{delegate}" if root and delegate else root or delegate


def _merge_matches(root: Sequence[HttpMatch], delegate: Sequence[HttpMatch]) -> list[HttpMatch] | None:
    if not root or not delegate:
        return list(root or delegate)
    merged: list[HttpMatch] = []
    for below in delegate:
        fitting = [_merge_match(above, below) for above in root if not _conflict(above, below)]
        if not fitting:
            return None
        merged.extend(fitting)
    return merged


def _merge_match(root: HttpMatch, delegate: HttpMatch) -> HttpMatch:
    match: dict[str, Any] = {**root, **delegate}
    for field in (*_MATCH_MAPS, "sourceLabels"):
        both = {**(root.get(field) or {}), **(delegate.get(field) or {})}
        if both:
            match[field] = both
    if not delegate.get("gateways") and root.get("gateways"):
        match["gateways"] = root["gateways"]
    name = _joined(root.get("name", ""), delegate.get("name", ""))
    if name:
        match["name"] = name
    return match


def _conflict(root: HttpMatch, leaf: HttpMatch) -> bool:
    return (
        any(_strings_conflict(root.get(field), leaf.get(field)) for field in _STRING_MATCHES)
        or any(
            _strings_conflict((root.get(field) or {}).get(key), value)
            for field in _MATCH_MAPS
            for key, value in (leaf.get(field) or {}).items()
        )
        or bool(root.get("ignoreUriCase")) != bool(leaf.get("ignoreUriCase"))
        or _places_conflict(root, leaf)
    )


def _places_conflict(root: HttpMatch, leaf: HttpMatch) -> bool:
    ports = root.get("port", 0), leaf.get("port", 0)
    if all(ports) and ports[0] != ports[1]:
        return True
    if root.get("sourceNamespace") and leaf.get("sourceNamespace", "") != root["sourceNamespace"]:
        return True
    labels = root.get("sourceLabels") or {}
    if any(labels.get(key, value) != value for key, value in (leaf.get("sourceLabels") or {}).items()):
        return True
    gateways = root.get("gateways"), leaf.get("gateways")
    return bool(gateways[0] and gateways[1] and not set(gateways[1]) <= set(gateways[0]))


def _strings_conflict(root: Mapping[str, str] | None, leaf: Mapping[str, str] | None) -> bool:
    if root is None or leaf is None:
        return False
    if "regex" in root or "regex" in leaf:
        return bool(root) and bool(leaf)
    if "exact" in root:
        return leaf.get("exact") != root["exact"]
    if "prefix" in root and leaf:
        return not (leaf.get("exact") or leaf.get("prefix", "")).startswith(root["prefix"])
    return True
