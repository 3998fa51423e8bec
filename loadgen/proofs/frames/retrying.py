"""The frame that all proofs of retries share: read policy and odds, send, compare with what they foretell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadgen.inforce import Resources
from loadgen.inforce.tries import End
from loadgen.judging.judge import Check
from loadgen.measuring.tally import Tally
from loadgen.proofs.frames.foretelling import (
    Plan,
    deadline_check,
    facts,
    foretold_check,
    most_tries_check,
    share_check,
)
from loadgen.proofs.frames.proof import Bench
from loadgen.proofs.frames.tried import Tries, observe, tries_check


@dataclass(frozen=True, slots=True)
class Retrying:
    """What is particular to one of these proofs.

    `plan_in_force` raises NotInForce where the retries are not those of the scenario, `effect` says in one
    sentence what they lead to, and `shares` names the ends whose share is checked.
    """

    plan_in_force: Callable[[Resources], Plan]
    effect: Callable[[Plan], str]
    shares: Sequence[tuple[str, Callable[[End], bool]]]

    def prove(self, bench: Bench) -> Sequence[Check]:
        """Read policy and odds in force, send, judge."""
        plan = self.plan_in_force(bench.resources())
        bench.facts |= facts(plan) | {"so": self.effect(plan)}
        planned, tally, tries = observe(bench, plan, self.plan_in_force)
        return self.judged(plan, planned.count, tally, tries)

    def judged(self, plan: Plan, planned: int, tally: Tally, tries: Tries) -> list[Check]:
        """All checks; `tries` are those that the faulty pods have seen."""
        late = deadline_check(plan, planned, tally)
        return [
            *(share_check(plan, planned, tally, name, holds) for name, holds in self.shares),
            foretold_check(plan, planned, tally),
            most_tries_check(plan, planned, tally),
            *([] if late is None else [late]),
            tries_check(plan, tally, tries),
        ]
