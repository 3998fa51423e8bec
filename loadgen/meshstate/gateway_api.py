"""HTTPRoutes of the Gateway API in the form of VirtualServices, as which the proofs read routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loadgen.meshstate.gateway_api_filters import operations
from loadgen.meshstate.resources import Object

KIND = "HTTPRoute"
MESH = "mesh"
_ANY_PATH = {"path": {"type": "PathPrefix", "value": "/"}}
_RETRIED = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_RANKS = {"Exact": 2, "PathPrefix": 1, "RegularExpression": 0}


def virtual_services_of(routes: Iterable[Object]) -> Iterator[Object]:
    """One for each HTTPRoute and parent: a Service, which sidecars route calls to, or a Gateway.

    `original` is the HTTPRoute. `spec.written` has the index of the rule of each entry of `spec.http`, which
    are in the order in which matches take precedence (Gateway API, `HTTPRouteRule.matches`).
    """
    for route in routes:
        entries = sorted(_entries(route), key=lambda entry: _rank(entry[1]))
        for parent in route["spec"].get("parentRefs", ()):
            of_service = parent.get("kind") == "Service"
            hosts = [parent["name"]] if of_service else route["spec"].get("hostnames", ["*"])
            yield {
                "kind": KIND,
                "metadata": route["metadata"],
                "original": route,
                "spec": {
                    "hosts": hosts,
                    "gateways": [MESH if of_service else parent["name"]],
                    "http": [_http(rule, match) for _, match, rule in entries],
                    "written": [index for index, _, _ in entries],
                },
            }


_Entry = tuple[int, Mapping[str, Any], Object]


def _entries(route: Object) -> Iterator[_Entry]:
    """Each match of each rule, with the index of the rule and the rule."""
    for index, rule in enumerate(route["spec"].get("rules", ())):
        for match in rule.get("matches") or [_ANY_PATH]:
            yield index, {**_ANY_PATH, **match}, rule


def _rank(match: Mapping[str, Any]) -> tuple[int, ...]:
    path = match["path"]
    return (
        -_RANKS[path.get("type", "PathPrefix")],
        -len(path.get("value", "/")),
        0 if "method" in match else 1,
        -len(match.get("headers", ())),
        -len(match.get("queryParams", ())),
    )


def _http(rule: Object, match: Mapping[str, Any]) -> Object:
    entry: dict[str, Any] = {"match": [_match(match)], "route": []}
    for backend in rule.get("backendRefs", ()):
        destination = {"host": backend["name"], "port": {"number": backend.get("port")}}
        entry["route"].append({"destination": destination, "weight": backend.get("weight", 1)})
    timeouts = rule.get("timeouts", {})
    attempt = None if "retry" in rule else timeouts.get("backendRequest")
    if timeout := attempt or timeouts.get("request"):
        entry["timeout"] = timeout
    mirrors = [_mirror(each["requestMirror"]) for each in rule.get("filters", ()) if "requestMirror" in each]
    if mirrors:
        entry["mirrors"] = mirrors
    others = (each for each in rule.get("filters", ()) if "requestMirror" not in each)
    return {**entry, **operations(others), **_retries(rule)}


def _mirror(mirror: Object) -> Object:
    destination = {"host": mirror["backendRef"]["name"], "port": {"number": mirror["backendRef"].get("port")}}
    percent = mirror.get("percent", 100)
    if fraction := mirror.get("fraction"):
        percent = 100 * fraction["numerator"] / fraction.get("denominator", 100)
    return {"destination": destination, "percentage": {"value": percent}}


def _retries(rule: Object) -> Object:
    """The retries: Istio adds failed connections to the codes, and makes two retries by default."""
    if "retry" not in rule:
        return {}
    codes = map(str, rule["retry"].get("codes", ()))
    retries = {"attempts": rule["retry"].get("attempts", 2), "retryOn": ",".join([*_RETRIED, *codes])}
    if attempt := rule.get("timeouts", {}).get("backendRequest"):
        retries["perTryTimeout"] = attempt
    return {"retries": retries}


def _match(match: Mapping[str, Any]) -> Object:
    out: dict[str, Any] = {"uri": _path(match["path"])}
    if "method" in match:
        out["method"] = {"exact": match["method"]}
    if match.get("headers"):
        out["headers"] = {header["name"]: _text(header) for header in match["headers"]}
    if match.get("queryParams"):
        out["queryParams"] = {parameter["name"]: _text(parameter) for parameter in match["queryParams"]}
    return out


def _path(path: Mapping[str, Any]) -> Object:
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind == "Exact":
        return {"exact": value}
    if kind == "RegularExpression" or value == "/":
        return {"prefix": "/"} if value == "/" else {"regex": value}
    return {"regex": f"{re.escape(value.rstrip('/'))}(/.*)?"}


def _text(condition: Mapping[str, Any]) -> Object:
    kind = "regex" if condition.get("type") == "RegularExpression" else "exact"
    return {kind: condition["value"]}
