"""Retries as many tutorials have them, without `retryOn`: what fails is never tried again.

Where no conditions are written, Istio repeats what surely never reached the application (refused
connections, reset streams). Neither its failures are among that nor tries that their own deadline has cut;
the deadline of each try even turns hangs into failures sooner, and that is all these lines do.
"""

from __future__ import annotations

from dataclasses import replace

from loadgen.meshstate import NotConfigured, Resources
from loadgen.proofs.common.prediction import Plan, is_answer, read_plan
from loadgen.proofs.common.proof import Proof, remedy
from loadgen.proofs.common.retry_proof import Retrying
from loadgen.statistics.binomial import percent

REMEDY = remedy("retry-naive")


def plan_in_force(resources: Resources) -> Plan:
    """The plan, if the route asks for retries and repeats nothing that happens here."""
    plan = read_plan(resources, remedy=REMEDY)
    if plan.policy.attempts <= 1:
        raise NotConfigured(f"{plan.split.where} asks for no retries; {REMEDY}")
    if plan.policy.repeats_errors or plan.policy.repeats_cuts:
        raise NotConfigured(f"{plan.split.where} repeats what fails, so it is not naive; {REMEDY}")
    return plan


def effect(plan: Plan) -> str:
    """What these retries do, and what they would with conditions."""
    as_it_is, _ = plan.share(is_answer)
    meant, _ = plan.share(is_answer, replace(plan.policy, repeats_errors=True, repeats_cuts=True))
    return (
        f"{percent(as_it_is)} of all requests succeed, as without retries; "
        f"with `retryOn: 5xx` {percent(meant)} would"
    )


RETRYING = Retrying(plan_in_force, effect, (("successes", is_answer),))
PROOF = Proof(
    scenario="retry-naive",
    proves="without `retryOn` retries repeat no failure of the application, so they do not help",
    prove=RETRYING.prove,
)
