"""One case: a configuration or a mesh with one fault, and the verdicts that the proof must give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from localmesh.manifests import Resource
from tests.live import overlay, with_environment
from tests.proof_mesh import edited

Body = dict[str, Any]
Manifests = list[Resource]

FAIL, PASS, INCONCLUSIVE = "FAIL", "PASS", "INCONCLUSIVE"
NOT_PASS = "not PASS"
"""For checks of time, which are open on a machine that is too busy."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """The manifests are applied, with `fault` in every proxy's configuration; then the scenario is proved."""

    scenario: str
    title: str
    manifests: Callable[[Manifests], Manifests] = lambda manifests: manifests
    """Edits the overlay; without it the overlay is applied as it is."""
    fault: Callable[[Any], None] | None = None
    """Edits each translated `ProxyConfig` in place: a mesh that does not do what the manifests say."""
    verdict: str = FAIL
    checks: Mapping[str, str] = field(default_factory=dict)
    """The verdicts of some checks, by name."""
    fails_only: frozenset[str] | None = None
    """All the checks that fail, if no others may."""
    fails_where_expected: str = ""
    """If given, exactly the checks fail whose expectation contains this."""
    expects: Mapping[str, str] = field(default_factory=dict)
    """What some checks expect, by name: proofs expect what is configured."""
    needs_all_requests: bool = False
    """Whether a quarter of the requests is too few to notice the fault, or that the rest is right."""
    says: str = ""
    """A part of the reason of a check that does not pass."""

    def __str__(self) -> str:
        return f"{self.scenario}: {self.title}"


HANG_SECONDS = {"retry": "1", "retry-naive": "1", "timeout": "2"}
"""How long the buggy version hangs: longer than the deadlines of these scenarios."""
SHORT_HANG_SECONDS = "0.3"
"""In the others nothing depends on it; the shares of requests that fail stay the same."""


@cache
def quick(name: str, scenario: str = "") -> tuple[Resource, ...]:
    """An overlay, or `base`, with a buggy version that hangs as briefly as the scenario allows."""
    seconds = HANG_SECONDS.get(scenario or name, SHORT_HANG_SECONDS)
    return tuple(with_environment(overlay(name), "logic-v2", HANG_SECONDS=seconds))


def edit(kind: str, name: str, change: Callable[[Body], Any]) -> Callable[[Manifests], Manifests]:
    """An edit of one object; `change` gets its body and modifies it."""
    return lambda manifests: edited(manifests, kind, name, change)


def edit_spec(kind: str, name: str, change: Callable[[Body], Any]) -> Callable[[Manifests], Manifests]:
    """An edit of one object's spec."""
    return edit(kind, name, lambda body: change(body["spec"]))


def all_of(*edits: Callable[[Manifests], Manifests]) -> Callable[[Manifests], Manifests]:
    """Several edits, one after the other."""

    def apply(manifests: Manifests) -> Manifests:
        for one in edits:
            manifests = one(manifests)
        return manifests

    return apply


def without(kind: str, *names: str) -> Callable[[Manifests], Manifests]:
    """Removes the objects of a kind, or those with these names."""
    return lambda manifests: [
        item for item in manifests if item.kind != kind or (names and item.name not in names)
    ]


def only_base(manifests: Manifests) -> Manifests:
    """The plain application instead of the overlay."""
    del manifests
    return list(quick("base"))
