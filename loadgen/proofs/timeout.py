"""A deadline: whoever calls a version that hangs gets a 504 when the deadline is over, and is free again.

What a deadline frees is the caller: webapp's thread, and the connection, which the proxy resets. The pod
that hangs knows nothing of it and goes on hanging, in a thread; that is measured too, and said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadgen.inforce import NotInForce, Resources
from loadgen.inforce.counters import counted
from loadgen.inforce.tries import Outcome
from loadgen.judging.design import design
from loadgen.judging.judge import Check, Count, excused, failed, judge, passed
from loadgen.measuring.tally import Tally
from loadgen.proofs.frames import others
from loadgen.proofs.frames.calm import busy
from loadgen.proofs.frames.foretelling import (
    JOURNEY,
    MARGIN_SECONDS,
    SERVICE,
    Plan,
    deadline_check,
    facts,
    foretold_check,
    is_answer,
    is_cut,
    is_sound,
    longest_hang,
    outcome,
    read_plan,
    share_check,
)
from loadgen.proofs.frames.others import Entrance
from loadgen.proofs.frames.proof import Bench, Proof, remedy
from loadgen.proofs.frames.tried import observe

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


def prove(bench: Bench) -> Sequence[Check]:
    """Read deadline and odds in force, send, compare; then watch what is still under way."""
    plan = plan_in_force(bench.resources())
    bench.facts |= facts(plan)
    entrance = Entrance.of(bench)
    planned, tally, _ = observe(bench, plan, plan_in_force)
    released = watch(bench, plan)
    more = entrance.others(bench, tally)
    if released.hanging_seconds is not None:
        bench.facts["afterwards"] = (
            f"{' and '.join(plan.faulty)} still hung for {released.hanging_seconds:.1f} s: "
            "a deadline frees the caller, not the pod that hangs"
        )
    return judged(plan, planned.count, tally, released, more)


def plan_in_force(resources: Resources) -> Plan:
    """The plan, if the route has a deadline that hanging requests run into."""
    plan = read_plan(resources, remedy=REMEDY)
    whole = plan.policy.whole_seconds
    if whole is None:
        raise NotInForce(f"{plan.split.where} has no timeout; {REMEDY}")
    hangs = longest_hang(plan)
    if hangs < whole + MARGIN_SECONDS:
        raise NotInForce(
            f"{plan.split.where}: nothing hangs for longer than the timeout and {MARGIN_SECONDS:g} s"
        )
    return plan


def watch(bench: Bench, plan: Plan) -> Release:
    """Ask the pods' gauges until nothing is under way any more, for as long as the longest hang may take."""
    began = time.monotonic()
    limit = longest_hang(plan) + MARGIN_SECONDS

    def seconds_until(idle: Callable[[], bool]) -> float | None:
        while not idle():
            if time.monotonic() - began > limit:
                return None
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    caller = seconds_until(lambda: counted(bench.api, JOURNEY.entry, None, IN_FLIGHT) == 0)
    hanging = seconds_until(
        lambda: all(counted(bench.api, SERVICE, version, IN_FLIGHT) == 0 for version in plan.faulty)
    )
    return Release(caller, hanging)


def judged(plan: Plan, planned: int, tally: Tally, released: Release, more: int = 0) -> list[Check]:
    """All checks; `more` requests were sent by others meanwhile, and keep pods busy, too."""
    late = deadline_check(plan, planned, tally)
    slow = busy(tally, lambda one: is_sound(plan, one))
    not_at_rest = others.reason(more) or slow
    return [
        share_check(plan, planned, tally, "cut with 504", is_cut),
        share_check(plan, planned, tally, "successes", is_answer),
        *([] if late is None else [late]),
        excused(_early(plan, planned, tally), slow),
        foretold_check(plan, planned, tally),
        excused(_caller(released), not_at_rest),
        excused(_hanging(plan, released), not_at_rest),
    ]


def _early(plan: Plan, planned: int, tally: Tally) -> Check:
    """Whether no request was cut before its time."""
    whole = plan.policy.whole_seconds or 0.0
    early = tally.count(
        lambda one: outcome(one) is Outcome.CUT and one.latency_seconds < whole - EARLY_SECONDS
    )
    return judge(
        f"cut before {whole:g} s - {EARLY_SECONDS:g} s",
        "never",
        design(0.0, planned),
        Count(early, len(tally)),
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
