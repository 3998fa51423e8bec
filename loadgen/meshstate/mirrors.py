"""Where copies of requests go besides their destination, and of which share of them."""

from __future__ import annotations

from dataclasses import dataclass

from loadgen.meshstate.api import Object, Resources
from loadgen.meshstate.errors import NotConfigured, UnsupportedConfig
from loadgen.meshstate.routes import Route, qualified
from loadgen.meshstate.split import version_of_destination


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of `share` (in 0..1) of a route's requests goes to this version of a service."""

    where: str
    service: str
    version: str
    share: float


def mirror_of(resources: Resources, route: Route, *, remedy: str) -> Mirror:
    """The one mirror of a route; raises NotInForce, ending in `remedy`, if there is none."""
    found = [(destination, share) for destination, share in _mirrors(route.spec) if share]
    if not found:
        raise NotConfigured(f"{route.where} mirrors nothing; {remedy}")
    if len(found) > 1:
        raise UnsupportedConfig(f"{route.where} mirrors to several destinations: one is expected")
    destination, share = found[0]
    service = qualified(destination["host"], resources.namespace).partition(".")[0]
    return Mirror(route.where, service, version_of_destination(resources, destination, route), share)


def _mirrors(route: Object) -> list[tuple[Object, float]]:
    """Every mirror with its share: all requests where no percentage is written."""
    found: list[tuple[Object, float]] = []
    if "mirror" in route:
        percentage = route.get("mirrorPercentage")
        found.append((route["mirror"], 1.0 if percentage is None else _share(percentage)))
    for mirror in route.get("mirrors") or ():
        percentage = mirror.get("percentage")
        found.append((mirror["destination"], 1.0 if percentage is None else _share(percentage)))
    return found


def _share(percentage: Object) -> float:
    return float(percentage.get("value", 0)) / 100
