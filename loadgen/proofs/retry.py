"""Retries: a failing version is tried again, as often as the policy says, and most users never notice.

A retry stays in the subset that the weights chose, so it helps only because every try draws its fate anew.
Sending is paced: a try that its deadline has cut goes on hanging in the pod, where it holds a thread.
"""

from __future__ import annotations

from dataclasses import replace

from loadgen.meshstate import NotConfigured, Resources
from loadgen.proofs.common.prediction import Plan, is_answer, is_late_answer, read_plan
from loadgen.proofs.common.proof import Proof, remedy
from loadgen.proofs.common.retry_proof import Retrying
from loadgen.statistics.binomial import percent

REMEDY = remedy("retry")


def plan_in_force(resources: Resources) -> Plan:
    """The plan, if the route repeats what fails."""
    plan = read_plan(resources, remedy=REMEDY)
    if not (plan.policy.attempts > 1 and plan.policy.repeats_errors):
        raise NotConfigured(
            f"{plan.split.where} does not repeat what {plan.split.service} fails at; {REMEDY}"
        )
    return plan


def effect(plan: Plan) -> str:
    """Success without and with retries, in one sentence."""
    before, _ = plan.share(is_answer, replace(plan.policy, attempts=1))
    after, _ = plan.share(is_answer)
    return f"{percent(before)} of all requests would succeed without retries, {percent(after)} do with them"


RETRYING = Retrying(
    plan_in_force, effect, (("successes", is_answer), ("successes by a retry", is_late_answer))
)
PROOF = Proof(
    scenario="retry",
    proves="what fails is tried again, as often as allowed, and succeeds as often as the odds say",
    prove=RETRYING.prove,
)
