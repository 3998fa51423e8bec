"""A deadline: the caller of a version that hangs gets a 504 when the deadline expires, and is free again.

A deadline releases the caller: webapp's thread, and the connection, which the proxy resets. The pod that
hangs is not notified and keeps hanging, in a thread; that is measured and reported, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement
from loadgen.measurement.quality import Quality
from loadgen.meshstate import NotConfigured, Resources
from loadgen.meshstate.attempts import Outcome
from loadgen.meshstate.pods import IN_FLIGHT_METRIC, metric_sum
from loadgen.proofs.common.foreign_traffic import EntryCounter
from loadgen.proofs.common.prediction import (
    CALL_PATH,
    MARGIN_SECONDS,
    SERVICE,
    Prediction,
    deadline_checks,
    facts,
    is_success,
    is_timeout,
    load_plan,
    outcome,
    prediction_check,
    prediction_quality,
    read_prediction,
    share_check,
    within_margin,
)
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import (
    Cause,
    Check,
    Count,
    failed,
    judge_time,
    passed,
    unless,
)
from loadgen.statistics.judge import judge as judge_share

REMEDY = remedy("timeout")
POLL_SECONDS = 0.05
EARLY_SECONDS = 0.05
"""Envoy reads its clock once per turn of its event loop: a deadline may expire some milliseconds early."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers, and when webapp and the hanging version had nothing in flight any more.

    The times count from the last answer; None is never. `foreign_requests` keep pods busy, too.
    """

    measurement: Measurement
    caller_seconds: float | None
    hanging_seconds: float | None
    foreign_requests: int = 0


def read(resources: Resources) -> Prediction:
    """The prediction, if the route has a deadline that hanging requests exceed."""
    prediction = read_prediction(resources, remedy=REMEDY)
    where, deadline = prediction.split.where, prediction.policy.timeout_seconds
    if deadline is None:
        raise NotConfigured(f"{where} has no timeout; {REMEDY}")
    if prediction.longest_hang < deadline + MARGIN_SECONDS:
        raise NotConfigured(f"{where}: nothing hangs for longer than the timeout and {MARGIN_SECONDS:g} s")
    return prediction


def measure(context: ProofContext, prediction: Prediction) -> Observed:
    """Send, then read the pods' gauges until nothing is in flight, for as long as the longest hang."""
    entry = EntryCounter.read(context.api)
    measurement = context.send(load_plan(prediction))
    ended = time.monotonic()
    limit = prediction.longest_hang + MARGIN_SECONDS

    def seconds_until(is_idle: Callable[[], bool]) -> float | None:
        while not is_idle():
            if time.monotonic() - ended > limit:
                return None
            time.sleep(POLL_SECONDS)
        return time.monotonic() - ended

    def is_idle(service: str, version: str | None) -> bool:
        return metric_sum(context.api, service, version, IN_FLIGHT_METRIC) == 0

    caller = seconds_until(lambda: is_idle(CALL_PATH.entry, None))
    hanging = seconds_until(lambda: all(is_idle(SERVICE, version) for version in prediction.faulty))
    return Observed(measurement, caller, hanging, entry.foreign_requests(measurement))


def findings(prediction: Prediction, observed: Observed) -> dict[str, str]:
    """For how long the pods went on hanging."""
    if observed.hanging_seconds is None:
        return {}
    return {
        "afterwards": f"{' and '.join(prediction.faulty)} still hung for {observed.hanging_seconds:.1f} s: "
        "a deadline releases the caller, not the pod that hangs"
    }


def quality(prediction: Prediction, observed: Observed) -> Quality:
    """By the answers of sound versions."""
    return prediction_quality(prediction, observed.measurement, observed.foreign_requests)


def judge(prediction: Prediction, observed: Observed) -> list[Check]:
    """The shares of endings, the deadline kept and not early, and both sides free again."""
    measurement = observed.measurement
    return [
        share_check(prediction, measurement, "timed out with 504", is_timeout),
        share_check(prediction, measurement, "successes", is_success),
        *deadline_checks(prediction, measurement),
        _early(prediction, observed),
        prediction_check(prediction, measurement),
        _idle(_caller_released(observed), quality(prediction, observed)),
        _idle(_hang_ended(prediction, observed), quality(prediction, observed)),
    ]


def _early(prediction: Prediction, observed: Observed) -> Check:
    """Whether no request timed out before its deadline."""
    measurement, deadline = observed.measurement, prediction.policy.timeout_seconds or 0.0
    early = measurement.count(
        lambda one: outcome(one) is Outcome.TIMED_OUT and one.latency_seconds < deadline - EARLY_SECONDS
    )
    name, plan = f"timed out before {deadline:g} s - {EARLY_SECONDS:g} s", design(0.0, measurement.planned)
    count = Count(early, len(measurement))
    return judge_time(
        lambda count: judge_share(name, "never", plan, count),
        count,
        count.without(successes=early),
        quality(prediction, observed).busy,
    )


def _idle(check: Check, measured: Quality) -> Check:
    """The check that something is idle: a slow machine and requests of others only delay that."""
    check = unless(check, Cause.FOREIGN_TRAFFIC, measured.foreign)
    return unless(check, Cause.BUSY, within_margin(measured).busy)


def _caller_released(observed: Observed) -> Check:
    """Whether the caller was free immediately after the last answer."""
    expected = f"webapp has nothing in flight {MARGIN_SECONDS:g} s after the last answer"
    seconds = observed.caller_seconds
    if seconds is not None and seconds <= MARGIN_SECONDS:
        return passed("caller released", expected)
    when = "never during the longest hang" if seconds is None else f"only after {seconds:.1f} s"
    return failed("caller released", expected, f"webapp was idle {when}")


def _hang_ended(prediction: Prediction, observed: Observed) -> Check:
    """Whether the hanging pods are idle when their last hang is over, so that nothing accumulates."""
    after = f"{prediction.longest_hang:g} s + {MARGIN_SECONDS:g} s"
    expected = f"{' and '.join(prediction.faulty)} has nothing in flight {after} after the last answer"
    if observed.hanging_seconds is not None:
        return passed("hangs end", expected)
    return failed("hangs end", expected, "requests are still in flight")


PROOF = Proof(
    scenario="timeout",
    proves="the caller of a version that hangs gets a 504 at the deadline, and is free again",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=findings,
    quality=quality,
)
