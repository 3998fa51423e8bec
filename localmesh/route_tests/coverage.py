"""Route coverage: which rules of routes and AuthorizationPolicies no case has reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localmesh.explain import Authorization, Explanation, Reference
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.gateway_api import GRPC_ROUTE, HTTP_ROUTE
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource, of_kind
from localmesh.problems import FieldPath

_Key = tuple[str, str, int | None]
"""The kind, the namespace and name, and the index of the rule."""
_INDEX = 2
"""The place of the index in the path of a rule."""


@dataclass(frozen=True, slots=True)
class CoveredRule:
    """A rule, and whether a case reached it; `name` is that of a VirtualService's route."""

    reference: Reference
    name: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The rules of some manifests in their order."""

    rules: tuple[CoveredRule, ...] = ()

    @property
    def reached(self) -> int:
        """How many rules a case reached."""
        return sum(rule.reached for rule in self.rules)

    @property
    def percent(self) -> float:
        """The share of rules that a case reached; 100 if there are no rules."""
        return 100 * self.reached / len(self.rules) if self.rules else 100.0

    @property
    def missing(self) -> tuple[CoveredRule, ...]:
        """The rules that no case reached."""
        return tuple(rule for rule in self.rules if not rule.reached)

    def __add__(self, other: Coverage) -> Coverage:
        return Coverage(self.rules + other.rules)


class CoverageCollector:
    """Collects the rules that requests reach."""

    def __init__(self) -> None:
        self._reached: set[_Key] = set()

    def add(self, explanation: Explanation) -> None:
        """Adds the rules that decided about a request."""
        self._reached.update(_reached(explanation))

    def coverage(self, resources: Iterable[Resource]) -> Coverage:
        """All rules of these objects, and which of them were reached."""
        return Coverage(
            tuple(
                CoveredRule(reference, name, key in self._reached)
                for reference, name, key in _rules(tuple(resources))
            )
        )


def _reached(explanation: Explanation) -> Iterator[_Key]:
    for hop in explanation.hops:
        rule = hop.routing.rule if hop.routing is not None else None
        if rule is not None and rule.reference is not None:
            resource, path = rule.reference.resource, rule.reference.path
            # of the path only the rule counts, `spec.http[0]`, and not one of its matches
            yield resource.kind, f"{resource.namespace}/{resource.name}", int(path[_INDEX])
        if hop.authorization is not None:
            yield from _asked(hop.authorization)


def _asked(authorization: Authorization) -> Iterator[_Key]:
    """The rules that matched; a policy without rules is reached if it is asked."""
    for rule in (authorization.deciding, *authorization.rules):
        if rule is not None and (rule.matched or rule.index is None):
            yield AUTHORIZATION_POLICY.name, rule.policy, rule.index


def _rules(resources: tuple[Resource, ...]) -> Iterator[tuple[Reference, str, _Key]]:
    """Every rule with its name and its key; for a route that delegates, the rules of the delegate count."""
    for virtual_service in of_kind(resources, VIRTUAL_SERVICE):
        for index, route in enumerate(virtual_service.spec.get("http") or ()):
            if not route.get("delegate"):
                path = FieldPath("spec", "http", index)
                yield Reference(virtual_service, path), route.get("name", ""), _key(virtual_service, index)
    for route in (*of_kind(resources, HTTP_ROUTE), *of_kind(resources, GRPC_ROUTE)):
        for index, rule in enumerate(route.spec.get("rules") or ()):
            yield (
                Reference(route, FieldPath("spec", "rules", index)),
                rule.get("name", ""),
                _key(route, index),
            )
    for policy in of_kind(resources, AUTHORIZATION_POLICY):
        rules = policy.spec.get("rules") or ()
        for index, _ in enumerate(rules):
            yield Reference(policy, FieldPath("spec", "rules", index)), "", _key(policy, index)
        if not rules:
            yield Reference(policy), "", _key(policy, None)


def _key(resource: Resource, index: int | None) -> _Key:
    return resource.kind, f"{resource.namespace}/{resource.name}", index
