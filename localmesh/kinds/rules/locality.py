"""Load balancing by locality (istio: ValidateLocalityLbSetting, ValidateZoneAwareLbSetting)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_PARTS = 3
_TOPOLOGY = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)


def locality_setting(field: Field) -> Iterator[Problem]:
    """A `localityLbSetting`, if there is one, is valid."""
    if len(field.get("distribute")) and len(field.get("failover")):
        both = "distribute and failover"
        yield field.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)
        return
    if len(field.get("failover")):
        yield from _without_topology(field, "failover already orders regions and zones")
    for rule in field.get("distribute").items():
        yield from _weights(rule.get("to"))
        yield from _disjoint(rule.get("to"), [name for name, _ in rule.get("to").entries()])
    origins = [rule.get("from").text or "" for rule in field.get("distribute").items()]
    yield from _disjoint(field.get("distribute"), origins)
    yield from _failover(field)


def zone_aware_setting(field: Field) -> Iterator[Problem]:
    """A `zoneAwareLbSetting`, if there is one, is valid."""
    yield from _without_topology(field, "zone-aware load balancing already orders regions and zones")
    yield from _failover(field)


def _without_topology(field: Field, reason: str) -> Iterator[Problem]:
    for label in field.get("failoverPriority").items():
        if label.text in _TOPOLOGY:
            yield label.problem(
                invalid.BAD_LOAD_BALANCER,
                expected=f"another label: {reason}",
                remedy="remove the label",
            )


def _weights(weights: Field) -> Iterator[Problem]:
    numbers = [weight.integer for _, weight in weights.entries()]
    known = [number for number in numbers if number is not None]
    if any(not 0 < number <= 100 for number in known) or sum(known) != 100:
        yield weights.problem(
            invalid.BAD_LOAD_BALANCER,
            found=f"weights that add up to {sum(known)}",
            expected="weights from 1 to 100 that add up to 100",
            remedy="correct the weights",
        )


def _failover(field: Field) -> Iterator[Problem]:
    for rule in field.get("failover").items():
        origin, target = rule.get("from").text or "", rule.get("to").text or ""
        if origin == target or any(character in origin + target for character in "/*"):
            yield rule.problem(
                invalid.BAD_LOAD_BALANCER,
                found=f"a failover from {quoted(origin)} to {quoted(target)}",
                expected="two different regions, without zones and wildcards",
                remedy="name regions only",
            )


def _disjoint(field: Field, localities: Iterable[str]) -> Iterator[Problem]:
    """Localities are written in full, a wildcard only at the end, and none is below an earlier one."""
    tree: dict[str, dict[str, set[str]]] = {}
    for text in localities:
        parts = text.split("/")
        if not all(parts) or len(parts) > _PARTS or "*" in text[:-1]:
            yield field.problem(
                invalid.BAD_LOAD_BALANCER,
                found=quoted(text),
                expected="region, region/zone or region/zone/subzone, with * only at the end",
                remedy="correct the locality",
            )
        elif not _added(tree, parts):
            yield field.problem(
                invalid.BAD_LOAD_BALANCER,
                found=f"{quoted(text)}, which overlaps with an earlier one",
                expected="localities that do not overlap",
                remedy="remove one of the two",
            )


def _added(tree: dict[str, dict[str, set[str]]], parts: list[str]) -> bool:
    """Adds a locality to those before it, as istiod does; False if one of these contains it."""
    region, *below = parts
    if "*" in tree or (not below and region in tree):
        return False
    if not below:
        tree[region] = {"*": {"*"}}
        return True
    zones = tree.setdefault(region, {})
    zone, *subzone = below
    if "*" in zones or (not subzone and zone in zones):
        return False
    subzones = zones.setdefault(zone, set())
    name = subzone[0] if subzone else "*"
    if not {"*", name}.isdisjoint(subzones):
        return False
    subzones.add(name)
    return True
