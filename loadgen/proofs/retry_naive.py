"""Retries as many tutorials have them, without `retryOn`: what fails is never tried again.

Where no conditions are written, Istio repeats what surely never reached the application (refused
connections, reset streams). Neither its failures are among that nor tries that their own deadline has cut;
the deadline of each try even turns hangs into failures sooner, and that is all these lines do.
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

REMEDY = "apply the overlay first: `localmesh apply -k istio/overlays/retry-naive`"


def prove(bench: Bench) -> Sequence[Check]:
    """Read policy and odds in force, send, compare with what they foretell."""
    plan = plan_in_force(bench.resources())
    bench.facts |= facts(plan) | {"so": effect(plan)}
    planned, tally, counted = observe(bench, plan, plan_in_force)
    return judged(plan, planned.count, tally, counted)


def plan_in_force(resources: Resources) -> Plan:
    """The plan, if the route asks for retries and repeats nothing that happens here."""
    plan = read_plan(resources, remedy=REMEDY)
    if plan.policy.tries <= 1:
        raise NotInForce(f"{plan.split.where} asks for no retries; {REMEDY}")
    if plan.policy.repeats_errors or plan.policy.repeats_cuts:
        raise NotInForce(f"{plan.split.where} repeats what fails, so it is not naive; {REMEDY}")
    return plan


def judged(plan: Plan, planned: int, tally: Tally, counted: int) -> list[Check]:
    """All checks."""
    late = deadline_check(plan, planned, tally)
    return [
        share_check(plan, planned, tally, "successes", is_answer),
        foretold_check(plan, planned, tally),
        most_tries_check(plan, planned, tally),
        *([] if late is None else [late]),
        tries_check(plan, tally, counted),
    ]


def effect(plan: Plan) -> str:
    """What these retries do, and what they would with conditions."""
    as_it_is, _ = plan.share(is_answer)
    meant, _ = plan.share(is_answer, replace(plan.policy, repeats_errors=True, repeats_cuts=True))
    return (
        f"{percent(as_it_is)} of all requests succeed, as without retries; "
        f"with `retryOn: 5xx` {percent(meant)} would"
    )


PROOF = Proof(
    scenario="retry-naive",
    proves="without `retryOn` retries repeat no failure of the application, so they do not help",
    prove=prove,
)
