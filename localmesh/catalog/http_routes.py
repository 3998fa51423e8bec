"""The HTTP routes of a VirtualService as values: what one route does, with its hosts fully qualified.

Blocks that decide nothing but how Envoy treats a request, such as `retries`, stay as they are in the
manifest; loading has checked them (Istio, "Virtual Service", `HTTPRoute`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Block = Mapping[str, Any]
HttpMatch = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes; `port` is None and `subset` "" where the route does not name one."""

    host: str
    port: int | None
    subset: str


@dataclass(frozen=True, slots=True)
class WeightedDestination:
    """One of the destinations that a route divides its requests among."""

    destination: Destination
    weight: int
    headers: Block | None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where copies of requests go, and of how many; `percent` is the older, whole number."""

    destination: Destination
    percentage: Block | None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """One route; without `matches` it takes every request."""

    name: str
    matches: tuple[HttpMatch, ...]
    destinations: tuple[WeightedDestination, ...]
    mirrors: tuple[Mirror, ...]
    redirect: Block | None
    direct_response: Block | None
    rewrite: Block
    timeout: str | None
    retries: Block | None
    fault: Block
    cors_policy: Block | None
    headers: Block | None


def http_route(route: Block) -> HttpRoute:
    """The route in a manifest, whose hosts have been resolved."""
    return HttpRoute(
        name=route.get("name", ""),
        matches=tuple(route.get("match") or ()),
        destinations=tuple(
            WeightedDestination(
                _destination(entry["destination"]), entry.get("weight", 0), entry.get("headers")
            )
            for entry in route.get("route") or ()
        ),
        mirrors=tuple(_mirrors(route)),
        redirect=route.get("redirect"),
        direct_response=route.get("directResponse"),
        rewrite=route.get("rewrite") or {},
        timeout=route.get("timeout"),
        retries=route.get("retries"),
        fault=route.get("fault") or {},
        cors_policy=route.get("corsPolicy"),
        headers=route.get("headers"),
    )


def _mirrors(route: Block) -> Iterator[Mirror]:
    if "mirror" in route:
        mirror = _destination(route["mirror"])
        yield Mirror(mirror, route.get("mirrorPercentage"), route.get("mirrorPercent"))
    for entry in route.get("mirrors") or ():
        if "destination" in entry:
            yield Mirror(_destination(entry["destination"]), entry.get("percentage"))


def _destination(destination: Block) -> Destination:
    return Destination(
        host=destination["host"],
        port=(destination.get("port") or {}).get("number"),
        subset=destination.get("subset", ""),
    )
