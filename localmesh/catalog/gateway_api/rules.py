"""The rules of routes as routes of VirtualServices (istiod: pilot/pkg/config/kube/gateway/conversion.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.gateway_api.backends import (
    Referrer,
    RouteError,
    destinations,
    mirrors,
    weight_sum,
)
from localmesh.catalog.gateway_api.conditions import Failure
from localmesh.catalog.gateway_api.filters import cors, header_filters, redirect, rewrite
from localmesh.catalog.gateway_api.inputs import Block, Inputs
from localmesh.formats.durations import nanoseconds
from localmesh.kinds.gateway_api import GRPC_ROUTE, HTTP_ROUTE, TCP_ROUTE, TLS_ROUTE
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

Json = dict[str, Any]

_FIRST = FieldPath("spec", "rules")
_ANY_PATH = {"path": {"type": "PathPrefix", "value": "/"}}
_RETRIED = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_NO_BACKEND: Json = {
    "host": "internal.cluster.local",
    "subset": "zero-weight",
    "port": {"number": 65535},
}
"""Where connections go that a rule without backends would have to refuse: to no cluster that exists."""
_RANKS = {"exact": 3, "prefix": 2, "regex": 1}


@dataclass(frozen=True, slots=True)
class ConvertedRoute:
    """One route of a VirtualService, and where its rule, its match and its backends are written."""

    body: Json
    resource: Resource
    rule: FieldPath
    match: FieldPath
    backends: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """The routes of an object, and the failure that its status shows, if any."""

    routes: tuple[ConvertedRoute, ...] = ()
    failure: Failure | None = None


def convert(inputs: Inputs, route: Resource, referrer: Referrer) -> Conversion:
    """The routes of an HTTPRoute, GRPCRoute, TLSRoute or TCPRoute, in the order of its rules.

    One rule that cannot be converted leaves the object without routes.
    """
    routes: list[ConvertedRoute] = []
    failure: Failure | None = None
    try:
        for converted, of_rule in _rules(inputs, route, referrer):
            routes.append(converted)
            failure = of_rule or failure
    except RouteError as error:
        return Conversion(failure=error.failure)
    return Conversion(tuple(routes), failure)


_Converted = Iterator[tuple[ConvertedRoute, Failure | None]]


def _rules(inputs: Inputs, route: Resource, referrer: Referrer) -> _Converted:
    for index, body in enumerate(route.spec.get("rules") or _default_rules(route)):
        for number, match in enumerate(_matches(route, body)):
            rule = _Rule(inputs, referrer, route, index, body, number, match)
            converted, backends, failure = _HOW[route.kind](rule)
            places = tuple(rule.path / "backendRefs" / backend for backend in backends)
            yield ConvertedRoute(converted, route, rule.path, rule.match_path, places), failure


def _default_rules(route: Resource) -> list[Block]:
    return [{"matches": [_ANY_PATH]}] if route.is_a(HTTP_ROUTE) and "rules" not in route.spec else []


def _matches(route: Resource, body: Block) -> list[Block | None]:
    """The matches of a rule: each becomes a route of its own, for routes are sorted by their matches."""
    if route.is_a(HTTP_ROUTE):
        return body.get("matches", [_ANY_PATH]) or [None]
    return body.get("matches") or [None]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule that is converted, with one of its matches."""

    inputs: Inputs
    referrer: Referrer
    route: Resource
    index: int
    body: Block
    number: int
    match: Block | None

    @property
    def name(self) -> str:
        """The name of its routes: the written one, or one that is made of its place."""
        return str(self.body.get("name") or f"{self.route.namespace}.{self.route.name}.{self.index}")

    @property
    def path(self) -> FieldPath:
        """Where it is written."""
        return _FIRST / self.index

    @property
    def match_path(self) -> FieldPath:
        """Where the match is written; the rule where none is."""
        return self.path / "matches" / self.number if self.body.get("matches") else self.path


# -- HTTP and gRPC -------------------------------------------------------------------------------------


def _http(rule: _Rule) -> tuple[Json, tuple[int, ...], Failure | None]:
    out: Json = {"name": rule.name}
    if rule.match is not None:
        out["match"] = [_http_match(rule.match)]
    mirror_failure = _filters(rule, out, _http_filter)
    if "retry" in rule.body:
        out["retries"] = _retries(rule.body["retry"])
    _timeouts(rule.body.get("timeouts") or {}, out)
    return _with_destinations(rule, out, mirror_failure)


def _grpc(rule: _Rule) -> tuple[Json, tuple[int, ...], Failure | None]:
    out: Json = {"name": rule.name}
    if rule.match is not None:
        out["match"] = [_grpc_match(rule.match)]
    failure = _filters(rule, out, _refused_filter)
    if failure is not None:
        raise RouteError(failure)
    return _with_destinations(rule, out, None)


def _with_destinations(
    rule: _Rule, out: Json, mirror_failure: Failure | None
) -> tuple[Json, tuple[int, ...], Failure | None]:
    backends = rule.body.get("backendRefs")
    if weight_sum(backends) == 0:
        if "redirect" not in out:
            out["directResponse"] = {"status": 500}
        return out, (), mirror_failure
    found, failure = destinations(rule.inputs, rule.referrer, backends)
    out["route"] = [entry for _, entry in found]
    if failure and mirror_failure:
        failure = failure.joined(mirror_failure)
    return out, tuple(index for index, _ in found), failure or mirror_failure


def _filters(rule: _Rule, out: Json, other: Callable[[Block, Json], None]) -> Failure | None:
    """Adds what filters do to a route; returns why a mirror is not usable."""
    filters = rule.body.get("filters") or ()
    headers = header_filters(filters, lambda entry: other(entry, out))
    if headers:
        out["headers"] = headers
    failure: Failure | None = None
    for mirror in mirrors(rule.inputs, rule.referrer, filters):
        if isinstance(mirror, Failure):
            failure = mirror
        else:
            out.setdefault("mirrors", []).append(mirror)
    return failure


def _http_filter(entry: Block, out: Json) -> None:
    kind = entry["type"]
    if kind == "RequestRedirect":
        out["redirect"] = redirect(entry["requestRedirect"])
    elif kind == "URLRewrite":
        if changed := rewrite(entry["urlRewrite"]):
            out["rewrite"] = changed
    elif kind == "CORS":
        out["corsPolicy"] = cors(entry["cors"])
    else:
        _refused_filter(entry, out)


def _refused_filter(entry: Block, out: Json) -> None:  # noqa: ARG001 - one signature for all
    if entry["type"] != "RequestMirror":
        raise RouteError(Failure("InvalidFilter", f'unsupported filter type "{entry["type"]}"'))


def _http_match(match: Block) -> Json:
    path = match.get("path") or {}
    kind, value = path.get("type", "PathPrefix"), path.get("value", "/")
    if kind == "PathPrefix":
        out: Json = {"uri": {"prefix": value if value == "/" else value.removesuffix("/")}}
    else:
        out = {"uri": {"exact" if kind == "Exact" else "regex": value}}
    for key, of in (("headers", "headers"), ("queryParams", "queryParams")):
        if match.get(key):
            out[of] = _values(match[key])
    if "method" in match:
        out["method"] = {"exact": match["method"]}
    return out


def _grpc_match(match: Block) -> Json:
    out: Json = {}
    if method := match.get("method"):
        out["uri"] = _grpc_path(method)
    if match.get("headers"):
        out["headers"] = _values(match["headers"])
    return out


def _grpc_path(method: Block) -> Json:
    """A gRPC method as a path, which is /SERVICE/METHOD."""
    service, name = method.get("service"), method.get("method")
    if service is None and name is None:
        raise RouteError(Failure("InvalidConfiguration", "gRPC match must have method or service defined"))
    is_exact = method.get("type", "Exact") == "Exact"
    if service is None:
        return {"regex": f"/[^/]+/{name}"}
    if name is None:
        return {"prefix": f"/{service}/"} if is_exact else {"regex": f"/{service}/.+"}
    return {"exact" if is_exact else "regex": f"/{service}/{name}"}


def _values(conditions: list[Block]) -> Json:
    """Conditions on headers or query parameters by name; of several for one name the last counts."""
    return {
        entry["name"]: {
            "regex" if entry.get("type", "Exact") == "RegularExpression" else "exact": entry["value"]
        }
        for entry in conditions
    }


def _retries(retry: Block) -> Json:
    attempts = retry.get("attempts", 2)
    conditions = ",".join([*_RETRIED, *map(str, retry.get("codes") or ())])
    out: Json = {"attempts": attempts}
    if attempts:
        out["retryOn"] = conditions
    if "backoff" in retry:
        out["backoff"] = retry["backoff"]
    return out


def _timeouts(timeouts: Block, out: Json) -> None:
    """The timeout of a request; that of an attempt only limits attempts if there are retries."""
    request, attempt = (timeouts.get(key) for key in ("request", "backendRequest"))
    if request and nanoseconds(request):
        out["timeout"] = request
    if attempt and nanoseconds(attempt):
        if "retries" in out:
            out["retries"]["perTryTimeout"] = attempt
        else:
            out["timeout"] = attempt


def rank(route: Json) -> tuple[int, ...]:
    """The sort key of an HTTP route: the most specific match first (Gateway API, `HTTPRouteRule.matches`)."""
    if not route.get("match"):
        return (1, 0, 0, 0, 0, 0)
    match = route["match"][0]
    kind, value = next(iter((match.get("uri") or {"": ""}).items()))
    return (
        0,
        -_RANKS.get(kind, -1),
        -len(value.encode()),
        0 if "method" in match else 1,
        -len(match.get("headers") or ()),
        -len(match.get("queryParams") or ()),
    )


# -- TLS and TCP ---------------------------------------------------------------------------------------


def _tls(rule: _Rule) -> tuple[Json, tuple[int, ...], Failure | None]:
    out, backends, failure = _tcp(rule)
    if backends:
        names = list(rule.route.spec.get("hostnames") or ("*",))
        out = {"match": [{"sniHosts": names}], **out}
    return out, backends, failure


def _tcp(rule: _Rule) -> tuple[Json, tuple[int, ...], Failure | None]:
    backends = rule.body.get("backendRefs")
    if weight_sum(backends) == 0:
        return {"route": [{"destination": _NO_BACKEND}]}, (), None
    found, failure = destinations(rule.inputs, rule.referrer, backends, with_filters=False)
    return {"route": [entry for _, entry in found]}, tuple(index for index, _ in found), failure


_HOW: Mapping[str, Callable[[_Rule], tuple[Json, tuple[int, ...], Failure | None]]] = {
    HTTP_ROUTE.name: _http,
    GRPC_ROUTE.name: _grpc,
    TLS_ROUTE.name: _tls,
    TCP_ROUTE.name: _tcp,
}
"""How a rule of each kind of route is converted: to a route, the indexes of its backends, and a failure."""
