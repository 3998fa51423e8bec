"""Blocks of a route as they are written, which istio-config-validator's cases compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import Catalog, VirtualService
from localmesh.catalog.http_routes import HttpRoute, WeightedDestination
from localmesh.explain.explanation import Rule
from localmesh.problems.fields import listed
from localmesh.route_tests.answers import answer_text
from localmesh.route_tests.checks import Difference, text
from localmesh.route_tests.destinations import DestinationPattern
from localmesh.route_tests.observation import Observation

Block = Mapping[str, Any]


def written_differences(
    written: Block, observation: Observation, catalog: Catalog, *, negated: bool
) -> list[Difference]:
    """The blocks that the rule does not have as written; if `negated` those that it has."""
    found = _route_of(observation.rule, catalog)
    out: list[Difference] = []
    for field, expected in written.items():
        same = found is not None and _is_same(field, expected, *found)
        if same == negated:
            observed = _observed(field, *found) if found else f"no rule; {answer_text(observation)}"
            shown = _route_text(expected) if field == "route" else text(expected)
            out.append(Difference(field, f"not {shown}" if negated else shown, observed))
    return out


def _route_of(rule: Rule | None, catalog: Catalog) -> tuple[VirtualService, int] | None:
    """The VirtualService with the rule, and the rule's index in it."""
    if rule is None or rule.index is None:
        return None
    owner = rule.virtual_service
    return next(
        ((each, rule.index) for each in catalog.virtual_services if f"{each.namespace}/{each.name}" == owner),
        None,
    )


def _is_same(field: str, expected: Any, owner: VirtualService, index: int) -> bool:
    route = owner.http[index]
    if field == "route":
        pairs = zip(expected, route.destinations, strict=False)
        return len(expected) == len(route.destinations) and all(
            _is_destination(entry, weighted) for entry, weighted in pairs
        )
    return bool((_block(field, owner, index) or {}) == expected)


def _is_destination(entry: Block, weighted: WeightedDestination) -> bool:
    """Whether an entry of `route` is a destination; what the entry does not name may be any."""
    pattern = DestinationPattern.of(entry["destination"])
    destination = weighted.destination
    return (
        pattern is not None
        and pattern.names(destination.host, destination.port or pattern.port, destination.subset)
        and entry.get("weight", weighted.weight) == weighted.weight
        and entry.get("headers", weighted.headers) == weighted.headers
    )


def _block(field: str, owner: VirtualService, index: int) -> Block | None:
    if field == "delegate":
        root = owner.origins[index].root
        return owner.resource.root.at(root).get("delegate").value if root is not None else None
    block: Block | None = getattr(owner.http[index], field)
    return block


def _observed(field: str, owner: VirtualService, index: int) -> str:
    if field == "route":
        return _destinations_text(owner.http[index])
    return text(_block(field, owner, index) or {})


def _route_text(entries: list[Block]) -> str:
    return listed(
        str(DestinationPattern.of(entry["destination"])) + _weight_text(entry.get("weight", 0))
        for entry in entries
    )


def _destinations_text(route: HttpRoute) -> str:
    return listed(
        str(DestinationPattern(each.destination.host, each.destination.port, each.destination.subset))
        + _weight_text(each.weight)
        for each in route.destinations
    )


def _weight_text(weight: int) -> str:
    return f" (weight {weight})" if weight else ""
