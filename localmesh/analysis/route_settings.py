"""Settings of a route that do not do what they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.object_checks import once_per_object
from localmesh.catalog import Catalog
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def route_settings(catalog: Catalog) -> Iterator[Problem]:
    """Weights, faults and retries of all HTTP routes."""
    for resource in catalog.objects.of(VIRTUAL_SERVICE):
        yield from _virtual_service(resource)


@once_per_object
def _virtual_service(resource: Resource) -> Iterator[Problem]:
    for route in resource.root.get("spec", "http").items():
        yield from _weights(route.get("route"))
        yield from _fault(route.get("fault", "abort"), "abort", ("httpStatus", "grpcStatus"))
        yield from _fault(route.get("fault", "delay"), "delay", ("fixedDelay",))
        yield from _retries(route.get("retries"))


def _weights(route: Field) -> Iterator[Problem]:
    weights = [entry.get("weight").integer or 0 for entry in route.items()]
    total = sum(weights)
    if len(weights) < 2 or total in {0, 100}:
        return
    shares = [f"{100 * weight / total:.3g} %" for weight in weights]
    yield route.problem(
        warnings.WEIGHTS_NOT_100, found=listed(map(str, weights)), total=total, shares=listed(shares)
    )


def _fault(fault: Field, name: str, outcomes: tuple[str, ...]) -> Iterator[Problem]:
    if not fault:
        return
    if not any(fault.get(outcome) for outcome in outcomes):
        found, remedy = f"the {name} has no {listed(outcomes, 'or')}", f"add {outcomes[0]}"
        yield fault.problem(warnings.FAULT_NEVER_FIRES, found=found, remedy=remedy)
    elif fault.get("percentage", "value").number is None and not fault.get("percent").integer:
        remedy = "add percentage: {value: 100}, or the share that is meant"
        yield fault.problem(warnings.FAULT_NEVER_FIRES, found=f"the {name} has no percentage", remedy=remedy)


def _retries(retries: Field) -> Iterator[Problem]:
    if retries.get("attempts").integer and retries.get("perTryTimeout") and not retries.get("retryOn").text:
        yield retries.problem(warnings.RETRIES_WITHOUT_EFFECT)
