"""A deadline: whoever calls a version that hangs gets a 504 when the deadline is over, and is free again.

What a deadline frees is the caller: webapp's thread, and the connection, which the proxy resets. The pod
that hangs knows nothing of it and goes on hanging, in a thread; that is measured too, and said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement
from loadgen.meshstate import NotConfigured, Resources
from loadgen.meshstate.attempts import Outcome
from loadgen.meshstate.metrics import counted
from loadgen.proofs.common import foreign_traffic
from loadgen.proofs.common.attempts import observe
from loadgen.proofs.common.foreign_traffic import Entrance
from loadgen.proofs.common.measurement_quality import busy
from loadgen.proofs.common.prediction import (
    CALL_PATH,
    MARGIN_SECONDS,
    SERVICE,
    Plan,
    deadline_check,
    facts,
    is_answer,
    is_cut,
    is_sound,
    longest_hang,
    outcome,
    prediction_check,
    read_plan,
    share_check,
)
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Check, Count, downgrade_to_inconclusive, failed, judge, passed

REMEDY = remedy("timeout")
IN_FLIGHT = "sentimesh_http_requests_in_flight"
POLL_SECONDS = 0.05
EARLY_SECONDS = 0.05
"""Envoy reads its clock once in a turn of its loop: under load a deadline may end some milliseconds early."""


@dataclass(frozen=True, slots=True)
class Release:
    """How long after the last answer webapp and the hanging version had nothing under way; None for never."""

    caller_seconds: float | None
    hanging_seconds: float | None


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read deadline and odds in force, send, compare; then watch what is still under way."""
    plan = plan_in_force(bench.resources())
    bench.facts |= facts(plan)
    entrance = Entrance.of(bench)
    planned, measurement, _ = observe(bench, plan, plan_in_force)
    released = watch(bench, plan)
    more = entrance.others(bench, measurement)
    if released.hanging_seconds is not None:
        bench.facts["afterwards"] = (
            f"{' and '.join(plan.faulty)} still hung for {released.hanging_seconds:.1f} s: "
            "a deadline frees the caller, not the pod that hangs"
        )
    return judged(plan, planned.count, measurement, released, more)


def plan_in_force(resources: Resources) -> Plan:
    """The plan, if the route has a deadline that hanging requests run into."""
    plan = read_plan(resources, remedy=REMEDY)
    whole = plan.policy.whole_seconds
    if whole is None:
        raise NotConfigured(f"{plan.split.where} has no timeout; {REMEDY}")
    hangs = longest_hang(plan)
    if hangs < whole + MARGIN_SECONDS:
        raise NotConfigured(
            f"{plan.split.where}: nothing hangs for longer than the timeout and {MARGIN_SECONDS:g} s"
        )
    return plan


def watch(bench: ProofContext, plan: Plan) -> Release:
    """Ask the pods' gauges until nothing is under way any more, for as long as the longest hang may take."""
    began = time.monotonic()
    limit = longest_hang(plan) + MARGIN_SECONDS

    def seconds_until(idle: Callable[[], bool]) -> float | None:
        while not idle():
            if time.monotonic() - began > limit:
                return None
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    caller = seconds_until(lambda: counted(bench.api, CALL_PATH.entry, None, IN_FLIGHT) == 0)
    hanging = seconds_until(
        lambda: all(counted(bench.api, SERVICE, version, IN_FLIGHT) == 0 for version in plan.faulty)
    )
    return Release(caller, hanging)


def judged(
    plan: Plan, planned: int, measurement: Measurement, released: Release, more: int = 0
) -> list[Check]:
    """All checks; `more` requests were sent by others meanwhile, and keep pods busy, too."""
    late = deadline_check(plan, planned, measurement)
    slow = busy(measurement, lambda one: is_sound(plan, one))
    not_at_rest = foreign_traffic.reason(more) or slow
    return [
        share_check(plan, planned, measurement, "cut with 504", is_cut),
        share_check(plan, planned, measurement, "successes", is_answer),
        *([] if late is None else [late]),
        downgrade_to_inconclusive(_early(plan, planned, measurement), slow),
        prediction_check(plan, planned, measurement),
        downgrade_to_inconclusive(_caller(released), not_at_rest),
        downgrade_to_inconclusive(_hanging(plan, released), not_at_rest),
    ]


def _early(plan: Plan, planned: int, measurement: Measurement) -> Check:
    """Whether no request was cut before its time."""
    whole = plan.policy.whole_seconds or 0.0
    early = measurement.count(
        lambda one: outcome(one) is Outcome.TIMED_OUT and one.latency_seconds < whole - EARLY_SECONDS
    )
    return judge(
        f"cut before {whole:g} s - {EARLY_SECONDS:g} s",
        "never",
        design(0.0, planned),
        Count(early, len(measurement)),
    )


def _caller(released: Release) -> Check:
    """Whether the caller was free at once after the last answer."""
    expected = f"webapp has nothing under way within {MARGIN_SECONDS:g} s of the last answer"
    found = released.caller_seconds
    if found is not None and found <= MARGIN_SECONDS:
        return passed("the caller is free", expected)
    after = "never within the time of a hang" if found is None else f"only after {found:.1f} s"
    return failed("the caller is free", expected, f"it came to rest {after}")


def _hanging(plan: Plan, released: Release) -> Check:
    """Whether the hanging pods come to rest when their own hang is over, and nothing piles up."""
    hangs = longest_hang(plan)
    expected = f"nothing under way in {' and '.join(plan.faulty)} {hangs:g} s + {MARGIN_SECONDS:g} s later"
    if released.hanging_seconds is not None:
        return passed("the hang ends", expected)
    return failed("the hang ends", expected, "requests are still under way")


PROOF = Proof(
    scenario="timeout",
    proves="whoever calls a version that hangs gets a 504 at the deadline, and is free again",
    prove=prove,
)
