"""What else is in force on a request's way and changes which requests fail, apart from weights and odds."""

from __future__ import annotations

from collections.abc import Iterator

from loadgen.meshstate.api import Object, Resources
from loadgen.meshstate.routes import CallPath, Route, gateway_routes, qualified

_UPSTREAM_FAILED = 500
"""What a version that fails on purpose answers."""
_ENTRY_FAILED = 502
"""What the entry service answers then."""


def interference(resources: Resources, route: Route, journey: CallPath) -> tuple[str, ...]:
    """One phrase for each policy on the way that an expectation from weights and odds alone leaves out."""
    found = list(_of_route(route, _UPSTREAM_FAILED))
    for outer in gateway_routes(resources, journey.at_gateway):
        if _leads_to(outer, journey.entry, resources.namespace):
            found += _of_route(outer, _ENTRY_FAILED)
    for service in (journey.entry, journey.service):
        found += _of_rules(resources, service)
    return tuple(dict.fromkeys(found))


def _leads_to(route: Route, service: str, namespace: str) -> bool:
    wanted = qualified(service, namespace)
    return any(qualified(entry["destination"]["host"], namespace) == wanted for entry in route.destinations)


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
        yield f"a timeout for each try ({retries['perTryTimeout']}) in {route.where}"
    if _covers(retries.get("retryOn", ""), status):
        yield f"retries on {retries['retryOn']} in {route.where}"


def _can_happen(fault: Object | None) -> bool:
    """Whether a fault fires at all: one without a percentage does not."""
    return bool(fault and (fault.get("percentage") or {}).get("value"))


def _covers(retry_on: str, status: int) -> bool:
    """Whether a retry policy repeats answers of this status; Istio's default (none written) does not."""
    conditions = {condition.strip() for condition in retry_on.split(",")}
    return bool(
        conditions & {"5xx", str(status)} or (status in {502, 503, 504} and "gateway-error" in conditions)
    )


def _of_rules(resources: Resources, service: str) -> Iterator[str]:
    host = qualified(service, resources.namespace)
    for rule in resources.destination_rules:
        if qualified(rule["spec"]["host"], resources.namespace) != host:
            continue
        policies = [rule["spec"], *(rule["spec"].get("subsets") or ())]
        for kind in ("connectionPool", "outlierDetection"):
            if any(kind in (policy.get("trafficPolicy") or {}) for policy in policies):
                yield f"{kind} in DestinationRule {resources.namespace}/{rule['metadata']['name']}"
