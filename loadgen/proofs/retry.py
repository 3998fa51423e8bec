"""Retries: a failing version is tried again, as often as the policy says, and most users never notice.

A retry stays in the subset that the weights chose, so it helps only because every try draws its fate anew.
Sending is paced: a try that its deadline has cut goes on hanging in the pod, where it holds a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loadgen.binomial import percent
from loadgen.foretelling import (
    Plan,
    deadline_check,
    facts,
    foretold_check,
    is_answer,
    is_late_answer,
    most_tries_check,
    observe,
    read_plan,
    share_check,
    tries_check,
)
from loadgen.inforce import NotInForce, Resources
from loadgen.judge import Check
from loadgen.prove import Bench, Proof
from loadgen.tally import Tally

REMEDY = "apply the overlay first: `localmesh apply -k istio/overlays/retry`"


def prove(bench: Bench) -> Sequence[Check]:
    """Read policy and odds in force, send, compare with what they foretell."""
    plan = plan_in_force(bench.resources())
    bench.facts |= facts(plan) | {"so": effect(plan)}
    planned, tally, counted = observe(bench, plan, plan_in_force)
    return judged(plan, planned.count, tally, counted)


def plan_in_force(resources: Resources) -> Plan:
    """The plan, if the route repeats what fails."""
    plan = read_plan(resources, remedy=REMEDY)
    if not (plan.policy.tries > 1 and plan.policy.repeats_errors):
        raise NotInForce(f"{plan.split.where} does not repeat what {plan.split.service} fails at; {REMEDY}")
    return plan


def judged(plan: Plan, planned: int, tally: Tally, counted: int) -> list[Check]:
    """All checks."""
    late = deadline_check(plan, planned, tally)
    return [
        share_check(plan, planned, tally, "successes", is_answer),
        share_check(plan, planned, tally, "successes by a retry", is_late_answer),
        foretold_check(plan, planned, tally),
        most_tries_check(plan, planned, tally),
        *([] if late is None else [late]),
        tries_check(plan, tally, counted),
    ]


def effect(plan: Plan) -> str:
    """Success without and with retries, in one sentence."""
    before, _ = plan.share(is_answer, replace(plan.policy, tries=1))
    after, _ = plan.share(is_answer)
    return f"{percent(before)} of all requests would succeed without retries, {percent(after)} do with them"


PROOF = Proof(
    scenario="retry",
    proves="what fails is tried again, as often as allowed, and succeeds as often as the odds say",
    prove=prove,
)
