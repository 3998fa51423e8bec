"""Predicting single answers: each one is compared with what its request id, fault rates and policy allow.

A hash of seed, request id and attempt decides the deliberate failures of a version, and webapp's answers
carry the request id. So each answer can be checked, not only the shares: it must be of the predicted attempt,
or the predicted failure. One that is not FAILs. An answer that took longer than a deadline may have been
late because of the machine, so its outcome is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import CONTROL_BOUND_SECONDS, Quality, half_of, quality_of
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, CallPath, NotConfigured, Resources, Split, inner_route, read_split
from loadgen.meshstate.attempts import (
    Ending,
    Outcome,
    Policy,
    occupied_seconds,
    policy_of,
    predicted_endings,
    share_bounds,
)
from loadgen.meshstate.traffic_policy import require_no_interference
from loadgen.statistics.binomial import at_most, percent
from loadgen.statistics.design import CONFIDENCE, design, trials_for
from loadgen.statistics.judge import Check, Count, judge, judge_between, judge_time

SERVICE = "logic"
CALL_PATH = CallPath("webapp", Call("POST", PATH), SERVICE, Call("POST", "/analyse/sentiment"))

DETECTED = 0.08
"""The deviation of a share of successes that the number of requests is chosen for."""
FEWEST_REQUESTS = 600
MOST_REQUESTS = 4_000
USUAL_RATE = 120
"""Requests a second at which the application does not queue on two busy cores."""
OCCUPIED_THREADS = 64
"""How many threads of a version hanging attempts may occupy on average: half of what its Deployment has."""
MOST_CONNECTIONS = 112
MARGIN_SECONDS = 1.0
"""How much later than the deadline an answer may come: longer than machines stall, shorter than hangs."""


@dataclass(frozen=True)
class Prediction:
    """The split with its fault rates and the route's policy: all that decides how a request ends."""

    split: Split
    policy: Policy

    @cached_property
    def faulty(self) -> tuple[str, ...]:
        """The versions that get requests and are made to fail."""
        shares, rates = self.split.shares, self.split.fault_rates
        return tuple(version for version in shares if shares[version] and rates[version].failing)

    @property
    def shortest_deadline(self) -> float:
        """The shortest deadline of an attempt or of a request, in seconds; infinite without any."""
        deadlines = (self.policy.per_try_seconds, self.policy.timeout_seconds)
        return min((deadline for deadline in deadlines if deadline is not None), default=math.inf)

    @property
    def soonest_timeout(self) -> float:
        """How long a request takes at least of which every attempt times out, in seconds."""
        attempts = self.policy.attempts if self.policy.retries_timeouts else 1
        each = math.inf if self.policy.per_try_seconds is None else attempts * self.policy.per_try_seconds
        return min(each, math.inf if self.policy.timeout_seconds is None else self.policy.timeout_seconds)

    @property
    def timeout_share(self) -> float:
        """The share of request ids that predict a timeout at a faulty version, at most."""
        rates = (self.split.fault_rates[version] for version in self.faulty)
        return min(1.0, sum(share_bounds(self.policy, one, is_timeout)[1] for one in rates))

    @property
    def longest_hang(self) -> float:
        """For how long an attempt may occupy a thread of a faulty version, in seconds."""
        rates = (self.split.fault_rates[version] for version in self.faulty)
        return max((one.hang_seconds for one in rates if one.hang_percent), default=0.0)

    def share(self, holds: Callable[[Ending], bool], policy: Policy | None = None) -> tuple[float, float]:
        """The lower and upper bound of the share of such endings, under this policy or another."""
        low = high = 0.0
        for version, share in self.split.shares.items():
            lower, upper = share_bounds(policy or self.policy, self.split.fault_rates[version], holds)
            low, high = low + share * lower, high + share * upper
        return low, high

    def endings(self, version: str, request_id: str) -> frozenset[Ending]:
        """The possible endings of a request at a version."""
        return predicted_endings(self.policy, self.split.fault_rates[version], request_id)


def read_prediction(resources: Resources, *, remedy: str) -> Prediction:
    """The prediction for calls to logic; raises UnsupportedConfig if other policies play a part."""
    split = read_split(resources, CALL_PATH, remedy=remedy)
    route = inner_route(resources, CALL_PATH)
    if route is None:
        raise NotConfigured(f"no route leads to {SERVICE}; {remedy}")
    require_no_interference(resources, route.without("timeout", "retries"), CALL_PATH)
    prediction = Prediction(split, policy_of(route))
    if not prediction.faulty:
        raise NotConfigured(f"{route.where}: no version that gets requests is made to fail; {remedy}")
    return prediction


def load_plan(prediction: Prediction) -> LoadPlan:
    """How many requests, and how fast: hanging attempts must leave threads of the version to the others."""
    low, _ = prediction.share(is_success)
    count = min(max(FEWEST_REQUESTS, trials_for(low, DETECTED)), MOST_REQUESTS)
    occupied = max(
        prediction.split.shares[version]
        * occupied_seconds(prediction.policy, prediction.split.fault_rates[version])
        for version in prediction.faulty
    )
    rate = min(USUAL_RATE, OCCUPIED_THREADS / occupied) if occupied else USUAL_RATE
    rates = prediction.split.fault_rates.values()
    longest = max(one.hang_seconds for one in rates) * prediction.policy.attempts
    return LoadPlan(
        sentiment_requests(), math.ceil(count / 100) * 100, MOST_CONNECTIONS, 15 + longest, rate=rate
    )


def is_success(ending: Ending) -> bool:
    """Whether the caller got an answer."""
    return ending.outcome is Outcome.ANSWERED


def is_success_of_retry(ending: Ending) -> bool:
    """Whether the caller got an answer from a second or later attempt."""
    return is_success(ending) and ending.attempts > 1


def is_timeout(ending: Ending) -> bool:
    """Whether a deadline ended the request."""
    return ending.outcome is Outcome.TIMED_OUT


def outcome(one: Observation) -> Outcome | None:
    """What webapp's answer says about logic's; None for what neither logic nor a deadline explains."""
    named = one.version_of(SERVICE) is not None
    if one.status == 200 and named:
        return Outcome.ANSWERED
    if one.status == 502 and named:
        return Outcome.FAILED
    return Outcome.TIMED_OUT if one.status == 504 and not named else None


def is_control(prediction: Prediction, one: Observation) -> bool:
    """Whether it is an answer of a version that is not made to fail: nothing configured delays it."""
    return one.status == 200 and one.version_of(SERVICE) not in {*prediction.faulty, None}


def prediction_quality(
    prediction: Prediction, measurement: Measurement, foreign_requests: int = 0
) -> Quality:
    """The quality by the answers of sound versions, for the shortest deadline."""
    deadline = prediction.shortest_deadline
    return quality_of(
        measurement,
        control=lambda one: is_control(prediction, one),
        bound_seconds=CONTROL_BOUND_SECONDS if math.isinf(deadline) else half_of(deadline),
        foreign_requests=foreign_requests,
    )


def within_margin(quality: Quality) -> Quality:
    """The same quality for a check that allows `MARGIN_SECONDS`: only longer stalls can affect it."""
    return replace(quality, control_bound_seconds=half_of(MARGIN_SECONDS))


def share_check(
    prediction: Prediction, measurement: Measurement, name: str, holds: Callable[[Ending], bool]
) -> Check:
    """The share of requests with such an ending against the one computed from fault rates and policy."""
    low, high = prediction.share(holds)
    share = percent(low) if percent(low) == percent(high) else f"{percent(low)} to {percent(high)}"
    plans = (design(low, measurement.planned), design(high, measurement.planned))
    ended_so = measurement.count(lambda one: not one.abandoned and _ended_so(one, holds))
    count = Count(ended_so, len(measurement), measurement.abandoned)
    slow = [_ended_so(one, holds) for one in affected_by_slowness(prediction, measurement)]
    return judge_time(
        lambda count: judge_between(name, f"{share} of all requests", plans, count),
        count,
        count.without(successes=slow.count(True), failures=slow.count(False)),
        prediction_quality(prediction, measurement).busy,
    )


def affected_by_slowness(prediction: Prediction, measurement: Measurement) -> list[Observation]:
    """The observations whose ending a slow machine may have changed.

    Of the timeouts that the request ids predict, only as many as the other timeouts allow.
    """
    slow = measurement.where(lambda one: not one.abandoned and may_be_slowness(prediction, one))
    timeouts = [one for one in slow if outcome(one) is Outcome.TIMED_OUT]
    predicted = [one for one in timeouts if as_predicted(prediction, one)]
    unexpected = len(timeouts) - len(predicted)
    hidden = most_hidden(unexpected, prediction.timeout_share, limit=len(predicted))
    certain = [
        one for one in slow if not (outcome(one) is Outcome.TIMED_OUT and as_predicted(prediction, one))
    ]
    return certain + predicted[:hidden]


def most_hidden(unexpected: int, share: float, *, limit: int) -> int:
    """How many timeouts of sound versions may look predicted, if so many do not.

    Slowness does not depend on the request id, so a timeout of a sound version looks predicted with the
    probability `share`: that of an id that predicts a timeout at a faulty version. More than this number has
    a probability below 1 - CONFIDENCE.

    >>> most_hidden(0, 0.32, limit=50), most_hidden(3, 0.32, limit=50)
    (8, 12)
    """
    hidden = 0
    while hidden < limit and at_most(unexpected, unexpected + hidden + 1, 1 - share) > 1 - CONFIDENCE:
        hidden += 1
    return hidden


def may_be_slowness(prediction: Prediction, one: Observation) -> bool:
    """Whether a slow machine may have led to this ending.

    Slow attempts time out. A timeout that came so late that it may be of a sound version does not name its
    version. Where timeouts of attempts are retried, the answer is of a later attempt than predicted. Nothing
    else comes from slowness: a deadline that is configured ends a request however slow the machine is.
    """
    if one.status is None:
        return one.timed_out
    if outcome(one) is Outcome.TIMED_OUT:
        return one.latency_seconds >= prediction.soonest_timeout
    version, number, request_id = one.version_of(SERVICE), one.attempt_of(SERVICE), one.request_id
    if not prediction.policy.retries_timeouts or version not in prediction.split.shares:
        return False
    if version is None or number is None or request_id is None:
        return False
    return number > min(ending.attempts for ending in prediction.endings(version, request_id))


def _ended_so(one: Observation, holds: Callable[[Ending], bool]) -> bool:
    """Whether the observed ending is such a one; a timeout does not say after how many attempts."""
    ended = outcome(one)
    return ended is not None and holds(Ending(ended, one.attempt_of(SERVICE) or 1))


def prediction_check(prediction: Prediction, measurement: Measurement) -> Check:
    """Whether every answer is one that its request id allows."""
    verdicts = [as_predicted(prediction, one) for one in measurement.observations]
    count = Count(verdicts.count(False), len(measurement), verdicts.count(None))
    return judge(
        "other than predicted", "no answer but the predicted one", design(0.0, measurement.planned), count
    )


def as_predicted(prediction: Prediction, one: Observation) -> bool | None:
    """Whether an answer is a predicted one; None if that is unknown."""
    if one.status is None or one.request_id is None:
        return None
    ended = outcome(one)
    version, number, request_id = one.version_of(SERVICE), one.attempt_of(SERVICE), one.request_id
    if ended is Outcome.TIMED_OUT:
        fits = any(
            is_timeout(ending)
            for faulty in prediction.faulty
            for ending in prediction.endings(faulty, request_id)
        )
    elif ended is None or version is None or number is None or version not in prediction.split.shares:
        fits = False
    else:
        fits = Ending(ended, number) in prediction.endings(version, request_id)
    # After that much time a deadline may have ended an attempt that was only slow.
    return fits or (None if one.latency_seconds >= prediction.shortest_deadline else False)


def most_attempts_check(prediction: Prediction, measurement: Measurement) -> Check:
    """Whether no answer comes from an attempt beyond those allowed."""
    policy = prediction.policy
    allowed = policy.attempts if policy.retries_errors or policy.retries_timeouts else 1
    beyond = measurement.count(lambda one: (one.attempt_of(SERVICE) or 1) > allowed)
    name = f"more than {allowed} {'attempts' if allowed > 1 else 'attempt'}"
    return judge(name, "never", design(0.0, measurement.planned), Count(beyond, len(measurement)))


def deadline_checks(prediction: Prediction, measurement: Measurement) -> list[Check]:
    """Whether no request took longer than the route's deadline and a margin; nothing without a deadline.

    A request that was lost is late if it was waited for that long.
    """
    deadline = prediction.policy.timeout_seconds
    if deadline is None:
        return []
    late = measurement.count(
        lambda one: not one.abandoned and one.latency_seconds > deadline + MARGIN_SECONDS
    )
    name, plan = f"later than {deadline:g} s + {MARGIN_SECONDS:g} s", design(0.0, measurement.planned)
    count = Count(late, len(measurement), measurement.abandoned)
    busy = within_margin(prediction_quality(prediction, measurement)).busy
    return [
        judge_time(
            lambda count: judge(name, "never", plan, count), count, count.without(successes=late), busy
        )
    ]


def facts(prediction: Prediction) -> dict[str, str]:
    """The configuration, for the report."""
    weights = ", ".join(f"{version} {percent(share)}" for version, share in prediction.split.shares.items())
    faults = [
        f"of {version}'s attempts {rates.error_percent:g} % fail at once, {rates.hang_percent:g} % after "
        f"{rates.hang_seconds:g} s"
        for version, rates in prediction.split.fault_rates.items()
        if rates.failing
    ]
    return {
        "configured": f"{prediction.split.where}: {weights}",
        "policy": _described(prediction.policy),
        "faults": "; ".join(faults),
    }


def _described(policy: Policy) -> str:
    parts = []
    if policy.attempts > 1:
        retried = [
            *(["failures"] if policy.retries_errors else []),
            *(["attempts that time out"] if policy.retries_timeouts else []),
        ]
        what = " and ".join(retried) or "neither failures nor attempts that time out"
        parts.append(f"{policy.attempts - 1} retries, of {what}")
    if policy.per_try_seconds is not None:
        parts.append(f"at most {policy.per_try_seconds:g} s for each attempt")
    if policy.timeout_seconds is not None:
        parts.append(f"at most {policy.timeout_seconds:g} s for all together")
    return ", ".join(parts) or "no retries of failures, no deadline"
