"""The frame that all proofs of retries share: read policy and odds, send, compare with what they foretell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement
from loadgen.meshstate import Resources
from loadgen.meshstate.attempts import Ending
from loadgen.proofs.common.attempts import Attempts, attempts_check, observe
from loadgen.proofs.common.prediction import (
    Plan,
    deadline_check,
    facts,
    most_tries_check,
    prediction_check,
    share_check,
)
from loadgen.proofs.common.proof import ProofContext
from loadgen.statistics.judge import Check


@dataclass(frozen=True, slots=True)
class Retrying:
    """What is particular to one of these proofs.

    `plan_in_force` raises NotInForce where the retries are not those of the scenario, `effect` says in one
    sentence what they lead to, and `shares` names the ends whose share is checked.
    """

    plan_in_force: Callable[[Resources], Plan]
    effect: Callable[[Plan], str]
    shares: Sequence[tuple[str, Callable[[Ending], bool]]]

    def prove(self, bench: ProofContext) -> Sequence[Check]:
        """Read policy and odds in force, send, judge."""
        plan = self.plan_in_force(bench.resources())
        bench.facts |= facts(plan) | {"so": self.effect(plan)}
        planned, measurement, attempts = observe(bench, plan, self.plan_in_force)
        return self.judged(plan, planned.count, measurement, attempts)

    def judged(self, plan: Plan, planned: int, measurement: Measurement, attempts: Attempts) -> list[Check]:
        """All checks; `attempts` are those that the faulty pods have seen."""
        late = deadline_check(plan, planned, measurement)
        return [
            *(share_check(plan, planned, measurement, name, holds) for name, holds in self.shares),
            prediction_check(plan, planned, measurement),
            most_tries_check(plan, planned, measurement),
            *([] if late is None else [late]),
            attempts_check(plan, measurement, attempts),
        ]
