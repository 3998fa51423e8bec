"""Injected faults: one user gets delays and failures that no service causes, and other users get none.

The route for `end-user: tester` is chosen like any other: webapp propagates the header, and its proxy
decides. Delay and abort are drawn independently. An injected delay is recognised by its length: it is a
second, and answers take milliseconds. An abort differs from a failure of logic in `served-by`: logic has not
seen the request. Its status is the one that webapp reports of logic.

Every fifth request is a control: GET /sentiment takes the same way to webapp, which answers 405 without
calling logic, so nothing configured delays it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import CONTROL_BOUND_SECONDS, Quality, half_of, quality_of
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, CallPath, NotConfigured, Resources, UnsupportedConfig, inner_route
from loadgen.meshstate.resources import seconds
from loadgen.meshstate.traffic_policy import require_no_interference
from loadgen.proofs.common.proof import Proof, remedy, single_measurement
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import almost_surely_at_least, design, trials_for
from loadgen.statistics.judge import Check, Count, judge_time
from loadgen.statistics.judge import judge as judge_share

SERVICE = "logic"
HEADER = "end-user"
TESTER = "tester"
OTHER = "somebody"
CONTROL = "control"
GROUPS = (TESTER, OTHER, TESTER, OTHER, CONTROL)
"""Who sends, in the order of sending."""
REMEDY = remedy("fault-injection")

DETECTED = 0.12
FEWEST_REQUESTS = 500
MOST_REQUESTS = 2_000
MOST_CONNECTIONS = 96
USUAL_RATE = 250
SHORTEST_DELAY_SECONDS = 0.3
"""A shorter injected delay is not distinguishable from a slow answer."""
NEARLY = 0.95
"""The part of an injected delay from which a request counts as delayed."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What a route injects: shares in 0..1; the status of an abort, the length of a delay in seconds."""

    where: str
    abort_share: float
    abort_status: int
    delay_share: float
    delay_seconds: float

    @property
    def any(self) -> bool:
        """Whether it injects anything."""
        return self.abort_share > 0 or self.delay_share > 0

    def __str__(self) -> str:
        """For the report."""
        parts = []
        if self.delay_share:
            parts.append(f"{percent(self.delay_share)} delayed by {self.delay_seconds:g} s")
        if self.abort_share:
            parts.append(f"{percent(self.abort_share)} aborted with {self.abort_status}")
        return f"{self.where}: {' and '.join(parts) or 'nothing injected'}"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The faults for the tester, and those for everyone else."""

    tester: Faults
    others: Faults


def read(resources: Resources) -> Expectation:
    """The faults for the tester, if there are any, and none for others."""
    tester, others = (_faults(resources, user) for user in (TESTER, OTHER))
    if not tester.any:
        raise NotConfigured(f"nothing is injected for {HEADER}: {TESTER}; {REMEDY}")
    if others.any:
        raise NotConfigured(f"{others.where} injects faults for everyone, not only for {TESTER}; {REMEDY}")
    if tester.delay_share and tester.delay_seconds < SHORTEST_DELAY_SECONDS:
        raise UnsupportedConfig(
            f"{tester.where}: a delay of {tester.delay_seconds:g} s is not distinguishable from a slow "
            f"answer; at least {SHORTEST_DELAY_SECONDS:g} s are needed"
        )
    return Expectation(tester, others)


def _faults(resources: Resources, user: str) -> Faults:
    headers = {HEADER: user}
    path = CallPath(
        "webapp", Call("POST", PATH, headers), SERVICE, Call("POST", "/analyse/sentiment", headers)
    )
    route = inner_route(resources, path)
    if route is None:
        raise NotConfigured(f"no VirtualService routes calls to {SERVICE}; {REMEDY}")
    require_no_interference(resources, route.without("fault"), path)
    fault = route.spec.get("fault") or {}
    abort, delay = fault.get("abort") or {}, fault.get("delay") or {}
    return Faults(
        route.where,
        (abort.get("percentage") or {}).get("value", 0) / 100,
        int(abort.get("httpStatus", 0)),
        (delay.get("percentage") or {}).get("value", 0) / 100,
        seconds(delay.get("fixedDelay", "0s")),
    )


def facts(expectation: Expectation) -> dict[str, str]:
    """The faults."""
    return {"for the tester": str(expectation.tester), "for others": str(expectation.others)}


def load_plan(expectation: Expectation) -> LoadPlan:
    """As many requests of the tester as of others, in turn, and a control in each round."""
    tester = expectation.tester
    needed = [trials_for(share, DETECTED) for share in (tester.abort_share, tester.delay_share) if share]
    of_tester = math.ceil(min(max(FEWEST_REQUESTS, *needed), MOST_REQUESTS) / 50) * 50
    rate: float = USUAL_RATE
    if tester.delay_share:
        # Delayed requests occupy connections and webapp's threads: half of those are left for others.
        delayed = GROUPS.count(TESTER) / len(GROUPS) * tester.delay_share * tester.delay_seconds
        rate = min(rate, MOST_CONNECTIONS / 2 / delayed)
    return LoadPlan(
        _requests(),
        of_tester * len(GROUPS) // GROUPS.count(TESTER),
        MOST_CONNECTIONS,
        timeout_seconds=15 + tester.delay_seconds,
        rate=rate,
        keep_answers=True,
    )


def _requests() -> tuple[Request, ...]:
    """Rounds of all groups, each with the next sentences."""
    sentences = sentiment_requests()
    rounds = (sentences[index : index + 2] for index in range(0, len(sentences), 2))
    return tuple(
        request
        for pair in rounds
        for request in (
            *(
                replace(sentence, headers=(*sentence.headers, (HEADER, user)))
                for sentence in pair
                for user in (TESTER, OTHER)
            ),
            Request("GET", PATH),
        )
    )


def group_of(one: Observation) -> str:
    """Who sent the request."""
    return GROUPS[one.number % len(GROUPS)]


def of_group(measurement: Measurement, group: str) -> Measurement:
    """The observations of one group."""
    planned = measurement.planned * GROUPS.count(group) // len(GROUPS)
    return Measurement(measurement.where(lambda one: group_of(one) == group), planned=planned)


def quality(expectation: Expectation, measurement: Measurement) -> Quality:
    """By the control requests, for a stall as long as the injected delay."""
    delay = expectation.tester.delay_seconds
    return quality_of(
        measurement,
        control=lambda one: group_of(one) == CONTROL and one.status is not None,
        bound_seconds=half_of(delay) if delay else CONTROL_BOUND_SECONDS,
    )


def judge(expectation: Expectation, measurement: Measurement) -> list[Check]:
    """For the tester the configured shares, for others nothing at all."""
    faults, measured = expectation.tester, quality(expectation, measurement)
    busy = measured.busy
    # A share is judged with a tolerance far above 1 %: it does not matter if the machine delays as many.
    too_slow = replace(measured, control_bound_seconds=NEARLY * faults.delay_seconds).busy
    tester, others = (of_group(measurement, group) for group in (TESTER, OTHER))
    return [
        _failures("tester's aborts", faults.abort_share, tester, is_abort, busy),
        _delays("tester's delays", faults.delay_share, tester, was_delayed(faults), too_slow),
        *([_abort_status(faults, tester)] if faults.abort_share else []),
        _failures("tester's other failures", 0.0, tester, is_other_failure, busy),
        _failures("others' failures", 0.0, others, lambda one: one.failed, busy),
        _delays("others' delays", 0.0, others, was_delayed(faults), busy),
    ]


def _abort_status(faults: Faults, tester: Measurement) -> Check:
    """Whether every abort has the configured status, as webapp received it."""
    aborts = tester.where(is_abort)
    wrong = Counter(status for one in aborts if (status := _upstream_status(one)) != faults.abort_status)
    note = ", ".join(f"{count:,} with {status or 'none'}" for status, count in wrong.items())
    return judge_share(
        f"aborts not with {faults.abort_status}",
        "none",
        design(0.0, max(1, almost_surely_at_least(tester.planned, faults.abort_share))),
        Count(wrong.total(), len(aborts)),
        note=note,
    )


def _upstream_status(one: Observation) -> int | None:
    """The status of logic that webapp reports; None where it reports none."""
    try:
        status = json.loads(one.body)["upstream"]["status"]
    except (ValueError, KeyError, TypeError):
        return None
    return status if isinstance(status, int) else None


def _delays(
    name: str, share: float, group: Measurement, delayed: Callable[[Observation], bool], busy: str
) -> Check:
    """The share of delayed requests; a slow machine may have delayed any of them."""
    return _share(name, share, group, delayed, may_be_slowness=delayed, busy=busy)


def was_delayed(faults: Faults) -> Callable[[Observation], bool]:
    """Whether a request took as long as the injected delay, whatever its answer."""
    shortest = faults.delay_seconds if faults.delay_share else math.inf
    return lambda one: one.latency_seconds >= shortest * NEARLY


def is_abort(one: Observation) -> bool:
    """Whether webapp reports a failure of logic, and logic has not seen the request."""
    return (
        one.status in {502, 504} and one.version_of("webapp") is not None and one.version_of(SERVICE) is None
    )


def is_other_failure(one: Observation) -> bool:
    """Whether it failed other than by an abort."""
    return one.failed and not is_abort(one)


def _failures(
    name: str, share: float, group: Measurement, holds: Callable[[Observation], bool], busy: str
) -> Check:
    """The share of such failures; a slow machine may have caused the timeouts among them."""
    return _share(name, share, group, holds, may_be_slowness=_is_timeout, busy=busy)


def _share(
    name: str,
    share: float,
    group: Measurement,
    holds: Callable[[Observation], bool],
    *,
    may_be_slowness: Callable[[Observation], bool],
    busy: str,
) -> Check:
    counted = group.where(lambda one: holds(one) and not one.abandoned)
    count = Count(len(counted), len(group), group.abandoned)
    plan = design(share, group.planned)
    return judge_time(
        lambda count: judge_share(name, f"{percent(share)} of these requests", plan, count),
        count,
        count.without(successes=sum(map(may_be_slowness, counted))),
        busy,
    )


def _is_timeout(one: Observation) -> bool:
    """Whether the client or webapp gave up waiting."""
    return one.timed_out or (one.status == 504 and _upstream_status(one) is None)


PROOF = Proof(
    scenario="fault-injection",
    proves="the tester gets delays and aborts as often as configured, and other users get none",
    read=read,
    facts=facts,
    measure=single_measurement(load_plan),
    judge=judge,
    quality=quality,
)
