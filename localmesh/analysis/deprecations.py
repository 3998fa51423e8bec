"""Fields and values that Istio has replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from localmesh.analysis.object_checks import once_per_object
from localmesh.catalog import Catalog
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, quoted

_ROUTE: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("mirrorPercent",): ("", "mirrorPercentage: {value: …}"),
    ("corsPolicy", "allowOrigin"): ("", "allowOrigins: [{exact: …}]"),
    ("fault", "delay", "percent"): ("", "percentage: {value: …}"),
}
_POLICY: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("loadBalancer", "consistentHash", "minimumRingSize"): ("", "ringHash: {minimumRingSize: …}"),
    ("loadBalancer", "warmupDurationSecs"): ("", "warmup: {duration: …}"),
    ("outlierDetection", "consecutiveErrors"): (
        " and has no effect",
        "consecutive5xxErrors or consecutiveGatewayErrors",
    ),
}


def deprecations(catalog: Catalog) -> Iterator[Problem]:
    """Deprecated fields and values of VirtualServices and DestinationRules."""
    for resource in catalog.objects.of(VIRTUAL_SERVICE):
        yield from _virtual_service(resource)
    for resource in catalog.objects.of(DESTINATION_RULE):
        yield from _destination_rule(resource)


@once_per_object
def _virtual_service(resource: Resource) -> Iterator[Problem]:
    for name in resource.root.get("spec", "gateways").items():
        yield from _gateway_name(name)
    for route in resource.root.get("spec", "http").items():
        yield from _deprecated(route, _ROUTE)


@once_per_object
def _destination_rule(resource: Resource) -> Iterator[Problem]:
    spec = resource.root.get("spec")
    yield from _policy(spec.get("trafficPolicy"))
    for subset in spec.get("subsets").items():
        yield from _policy(subset.get("trafficPolicy"))


def _policy(policy: Field) -> Iterator[Problem]:
    for block in (policy, *policy.get("portLevelSettings").items()):
        yield from _deprecated(block, _POLICY)
        simple = block.get("loadBalancer", "simple")
        if simple.text == "LEAST_CONN":
            yield simple.problem(warnings.DEPRECATED_FIELD, effect="", current="LEAST_REQUEST")


def _deprecated(block: Field, table: Mapping[tuple[str, ...], tuple[str, str]]) -> Iterator[Problem]:
    for keys, (effect, current) in table.items():
        field = block.get(*keys)
        if field:
            yield field.problem(warnings.DEPRECATED_FIELD, found=keys[-1], effect=effect, current=current)


def _gateway_name(name: Field) -> Iterator[Problem]:
    if name.text and "/" not in name.text and "." in name.text:
        gateway, namespace = name.text.split(".")[:2]
        yield name.problem(
            warnings.DEPRECATED_FIELD,
            found=f"the form {quoted(name.value)}",
            effect="",
            current=f"{namespace}/{gateway}",
        )
