"""Simulates a request: follows it through a proxy's configuration, without Envoy.

The order of decisions is Envoy's: route configuration, virtual host (Envoy, "HTTP route components",
`VirtualHost.domains`), the first route that matches, cluster. The tests send the same requests to real
Envoys, so that the simulation cannot differ from them unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import re2

from localmesh.translate import ProxyConfig

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as its sender writes it; `port` applies if `authority` does not have one."""

    authority: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    port: int = 80


@dataclass(frozen=True, slots=True)
class Hit:
    """The decisions about a call: names on the way, and either clusters by weight or a status.

    An empty `virtual_host` or `route` means that none matched, which Envoy answers with 404.
    """

    route_configuration: str
    virtual_host: str = ""
    route: str = ""
    clusters: Mapping[str, int] = field(default_factory=dict)
    status: int | None = None


_REDIRECTS = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}


def simulate(config: ProxyConfig, call: Call) -> Hit:
    """The decisions about a call that leaves through a sidecar, or enters a gateway at a target port."""
    host, port = _split(call.authority, call.port)
    routes = {routes["name"]: routes for routes in config.routes}
    name = str(port) if config.scopes else f"http.{call.port}"
    if name not in routes:
        return Hit(route_configuration=name, status=404)
    virtual_host = _virtual_host(routes[name]["virtualHosts"], host)
    if virtual_host is None:
        return Hit(route_configuration=name, status=404)
    if virtual_host.get("requireTls") == "ALL":
        return Hit(route_configuration=name, virtual_host=virtual_host["name"], status=301)
    for route in virtual_host["routes"]:
        if _matches(route["match"], call):
            return _hit(name, virtual_host, route)
    return Hit(route_configuration=name, virtual_host=virtual_host["name"], status=404)


def _split(authority: str, port: int) -> tuple[str, int]:
    host, colon, number = authority.rpartition(":")
    return (host.lower(), int(number)) if colon else (authority.lower(), port)


def _virtual_host(virtual_hosts: Iterable[Json], host: str) -> Json | None:
    """The best match: an exact name, then the longest suffix (`*.b`), the longest prefix (`a.*`), and `*`."""
    best: tuple[tuple[int, int], Json] | None = None
    for virtual_host in virtual_hosts:
        for domain in virtual_host["domains"]:
            rank = _rank(domain.lower(), host)
            if rank is not None and (best is None or rank > best[0]):
                best = rank, virtual_host
    return best[1] if best else None


def _rank(domain: str, host: str) -> tuple[int, int] | None:
    if domain == host:
        return 3, len(domain)
    if domain == "*":
        return 0, 0
    if domain.startswith("*") and host.endswith(domain[1:]) and len(host) > len(domain) - 1:
        return 2, len(domain)
    if domain.endswith("*") and host.startswith(domain[:-1]):
        return 1, len(domain)
    return None


def _hit(name: str, virtual_host: Json, route: Json) -> Hit:
    status, clusters = None, {}
    if "redirect" in route:
        status = _REDIRECTS[route["redirect"]["responseCode"]]
    elif "directResponse" in route:
        status = route["directResponse"]["status"]
    elif "cluster" in route["route"]:
        clusters = {route["route"]["cluster"]: 100}
    else:
        weighted = route["route"]["weightedClusters"]["clusters"]
        clusters = {cluster["name"]: cluster["weight"] for cluster in weighted}
    return Hit(name, virtual_host["name"], route.get("name", ""), clusters, status)


def _matches(match: Json, call: Call) -> bool:
    parts = urlsplit(call.path)
    if not _path_matches(match, parts.path):
        return False
    pseudo = {":method": call.method, ":authority": call.authority, ":scheme": "http"}
    headers = {name.lower(): value for name, value in call.headers.items()} | pseudo
    query = dict(reversed(parse_qsl(parts.query, keep_blank_values=True)))
    return all(
        _value_matches(matcher, headers.get(matcher["name"].lower())) for matcher in match.get("headers", ())
    ) and all(
        _value_matches(matcher, query.get(matcher["name"])) for matcher in match.get("queryParameters", ())
    )


def _path_matches(match: Json, path: str) -> bool:
    if "safeRegex" in match:
        return re2.fullmatch(match["safeRegex"]["regex"], path) is not None
    if not match.get("caseSensitive", True):
        path = path.lower()
        match = {key: value.lower() for key, value in match.items() if key in ("path", "prefix")}
    if "path" in match:
        return bool(path == match["path"])
    return path.startswith(match["prefix"])


def _value_matches(matcher: Json, value: str | None) -> bool:
    """Whether a header or parameter matches; a missing one does not, unless the match is inverted."""
    inverted = bool(matcher.get("invertMatch"))
    if "presentMatch" in matcher:
        return (value is not None) != inverted
    if value is None and not matcher.get("treatMissingHeaderAsEmpty"):
        return False
    return _string_matches(matcher["stringMatch"], value or "") != inverted


def _string_matches(matcher: Json, value: str) -> bool:
    if "exact" in matcher:
        return bool(value == matcher["exact"])
    if "prefix" in matcher:
        return value.startswith(matcher["prefix"])
    return re2.fullmatch(matcher["safeRegex"]["regex"], value) is not None
