"""What else routes and DestinationRules do to a request: fail or repeat it, hash it, mirror it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.meshstate.resources import (
    NotConfigured,
    Object,
    Resources,
    UnsupportedConfig,
    qualified,
    service_name,
)
from loadgen.meshstate.routes import CallPath, Route, gateway_routes
from loadgen.meshstate.split import version_of_destination

_UPSTREAM_FAILED = 500
"""The status of a version that fails on purpose."""
_ENTRY_FAILED = 502
"""The status with which the entry service then answers."""


def interference(resources: Resources, route: Route, path: CallPath) -> tuple[str, ...]:
    """What changes which requests fail apart from weights and fault rates, one phrase for each policy."""
    phrases = list(_of_route(route, _UPSTREAM_FAILED))
    for outer in gateway_routes(resources, path.at_gateway):
        if _leads_to(outer, path.entry, resources.namespace):
            phrases += _of_route(outer, _ENTRY_FAILED)
    for service in (path.entry, path.service):
        phrases += _of_rules(resources, service)
    return tuple(dict.fromkeys(phrases))


def require_no_interference(resources: Resources, route: Route, path: CallPath) -> None:
    """Raise UnsupportedConfig if there is any."""
    phrases = interference(resources, route, path)
    if phrases:
        raise UnsupportedConfig(f"the expectation also depends on {' and '.join(phrases)}")


def _leads_to(route: Route, service: str, namespace: str) -> bool:
    host = qualified(service, namespace)
    return any(qualified(entry["destination"]["host"], namespace) == host for entry in route.destinations)


def _of_route(route: Route, status: int) -> Iterator[str]:
    for kind in ("abort", "delay"):
        if _can_happen((route.spec.get("fault") or {}).get(kind)):
            yield f"a fault ({kind}) in {route.where}"
    timeout = route.spec.get("timeout")
    if timeout is not None:
        yield f"a timeout ({timeout}) in {route.where}"
    retries = route.spec.get("retries") or {}
    if not retries.get("attempts"):
        return
    if "perTryTimeout" in retries:
        yield f"a timeout for each attempt ({retries['perTryTimeout']}) in {route.where}"
    if _covers(retries.get("retryOn", ""), status):
        yield f"retries on {retries['retryOn']} in {route.where}"


def _can_happen(fault: Object | None) -> bool:
    """Whether a fault is injected at all: one without a percentage is not."""
    return bool(fault and (fault.get("percentage") or {}).get("value"))


def _covers(retry_on: str, status: int) -> bool:
    """Whether a retry policy repeats answers of this status; Istio's default conditions do not."""
    conditions = {condition.strip() for condition in retry_on.split(",")}
    return bool(
        conditions & {"5xx", str(status)} or (status in {502, 503, 504} and "gateway-error" in conditions)
    )


def _of_rules(resources: Resources, service: str) -> Iterator[str]:
    for rule in resources.rules_of(service):
        policies = [rule["spec"], *(rule["spec"].get("subsets") or ())]
        for kind in ("connectionPool", "outlierDetection"):
            if any(kind in (policy.get("trafficPolicy") or {}) for policy in policies):
                yield f"{kind} in DestinationRule {resources.namespace}/{rule['metadata']['name']}"


def hash_header(resources: Resources, route: Route, *, remedy: str) -> str:
    """The header by which the route's one destination chooses a pod; raises NotConfigured, with `remedy`."""
    if len(route.destinations) != 1:
        raise NotConfigured(
            f"{route.where} has {len(route.destinations)} destinations and draws one for each request: "
            f"a consistent hash chooses a pod within one destination only; {remedy}"
        )
    destination = route.destinations[0]["destination"]
    consistent_hash = (_policy(resources, destination).get("loadBalancer") or {}).get("consistentHash")
    if not consistent_hash:
        raise NotConfigured(f"no DestinationRule hashes {destination['host']} consistently; {remedy}")
    if "httpHeaderName" not in consistent_hash:
        raise UnsupportedConfig(
            f"{destination['host']} is hashed by {', '.join(sorted(consistent_hash))}, not by a header"
        )
    return str(consistent_hash["httpHeaderName"])


def _policy(resources: Resources, destination: Object) -> Mapping[str, Any]:
    """The traffic policy of a destination: the subset's load balancer replaces the rule's."""
    rules = resources.rules_of(destination["host"])
    if not rules:
        return {}
    spec = rules[0]["spec"]
    policy = dict(spec.get("trafficPolicy") or {})
    if "portLevelSettings" in policy:
        raise UnsupportedConfig(
            f"DestinationRule {rules[0]['metadata']['name']} has settings for single ports"
        )
    for subset in spec.get("subsets") or ():
        if subset["name"] == destination.get("subset"):
            policy |= subset.get("trafficPolicy") or {}
    return policy


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of `share` (in 0..1) of a route's requests goes to this version of a service."""

    where: str
    service: str
    version: str
    share: float


def mirror_of(resources: Resources, route: Route, *, remedy: str) -> Mirror:
    """The one mirror of a route; raises NotConfigured, ending in `remedy`, if there is none."""
    mirrors = [(destination, share) for destination, share in _mirrors(route.spec) if share]
    if not mirrors:
        raise NotConfigured(f"{route.where} mirrors nothing; {remedy}")
    if len(mirrors) > 1:
        raise UnsupportedConfig(f"{route.where} mirrors to several destinations: one is expected")
    destination, share = mirrors[0]
    version = version_of_destination(resources, destination, route)
    return Mirror(route.where, _service_of(resources, destination), version, share)


def _service_of(resources: Resources, destination: Object) -> str:
    """The service that a destination belongs to: a Service of one version belongs to that of its app."""
    name = service_name(destination["host"])
    service = next((item for item in resources.services if item["metadata"]["name"] == name), None)
    selector = (service["spec"].get("selector") or {}) if service else {}
    return str(selector["app"]) if "app" in selector and "version" in selector else name


def _mirrors(route: Object) -> list[tuple[Object, float]]:
    """Every mirror with its share: all requests where no percentage is given."""
    mirrors: list[tuple[Object, float]] = []
    if "mirror" in route:
        mirrors.append((route["mirror"], _share(route.get("mirrorPercentage"))))
    return mirrors + [
        (mirror["destination"], _share(mirror.get("percentage"))) for mirror in route.get("mirrors") or ()
    ]


def _share(percentage: Object | None) -> float:
    return 1.0 if percentage is None else float(percentage.get("value", 0)) / 100
