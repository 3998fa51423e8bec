"""A made-up proof, for tests of what surrounds proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from loadgen.meshstate import MeshApi, Resources
from loadgen.proofs.common.proof import Proof, ProofContext
from loadgen.statistics.judge import Check, passed


class EmptyNamespace(MeshApi):
    """An API without objects."""

    def resources(self) -> Resources:
        return Resources(self.namespace)


def holds(_: ProofContext) -> list[Check]:
    return [passed("a check", "that it holds")]


def made_up(prove: Callable[[ProofContext], Sequence[Check]], name: str = "made-up") -> Proof[Any, Any]:
    """A proof that expects nothing, and whose measurement is already the checks."""
    return Proof(
        scenario=name,
        proves="something",
        read=lambda _: None,
        facts=lambda _: {},
        measure=lambda context, _: prove(context),
        judge=lambda _, checks: checks,
    )
