"""Injected faults: one user meets delays and failures that nobody caused, and nobody else does.

The route for `end-user: tester` is found like every other: webapp passes the header on, and the proxy beside
it decides. Delay and abort are drawn independently. An injected delay is told from a slow answer by its
length: it is a second, and answers take milliseconds. An abort is told from a failure of logic by
`served-by`: logic has not seen the request. Its status is what webapp's answer says of logic's.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, CallPath, NotConfigured, Resources, UnsupportedConfig, inner_route
from loadgen.meshstate.durations import seconds
from loadgen.meshstate.interference import interference
from loadgen.meshstate.routes import Route
from loadgen.proofs.common.measurement_quality import STALL_RATIO, late_sending, timed_out
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import Design, design, surely_at_least, trials_for
from loadgen.statistics.judge import Check, Count, downgrade_to_inconclusive, judge

SERVICE = "logic"
HEADER = "end-user"
TESTER = "tester"
OTHER = "somebody"
REMEDY = remedy("fault-injection")

NOTICED = 0.12
FEWEST_REQUESTS = 500
MOST_REQUESTS = 2_000
MOST_CONNECTIONS = 96
USUAL_RATE = 200
SHORTEST_DELAY_SECONDS = 0.3
"""An injected delay shorter than this is not told from an answer of a busy machine."""
LEAST_PART, NEARLY, EXACTLY = 0.25, 0.95, 1.25
"""Parts of an injected delay: what is slow, and from when to when it is as if delayed by that alone."""


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
        """Whether it injects anything at all."""
        return self.abort_share > 0 or self.delay_share > 0

    def __str__(self) -> str:
        """For the report."""
        parts = [
            *(
                [f"{percent(self.delay_share)} delayed by {self.delay_seconds:g} s"]
                if self.delay_share
                else []
            ),
            *([f"{percent(self.abort_share)} aborted with {self.abort_status}"] if self.abort_share else []),
        ]
        return f"{self.where}: {' and '.join(parts) or 'nothing injected'}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is in force for the tester and for everybody else."""

    tester: Faults
    others: Faults


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the faults in force, send as the tester and as others in turn, count, judge."""
    plan = plan_in_force(bench.resources())
    bench.facts |= {"for the tester": str(plan.tester), "for others": str(plan.others)}
    planned = load_plan(plan)
    measurement = bench.send(planned)
    if plan_in_force(bench.resources()) != plan:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return judged(plan, planned.count, measurement)


def plan_in_force(resources: Resources) -> Plan:
    """The faults for the tester, if there are any, and those for others, who are to be spared."""
    tester, others = (_faults(resources, user) for user in (TESTER, OTHER))
    if not tester.any:
        raise NotConfigured(f"nothing is injected for {HEADER}: {TESTER}; {REMEDY}")
    if others.any:
        raise NotConfigured(f"{others.where} injects faults for everybody, not only for {TESTER}; {REMEDY}")
    if tester.delay_share and tester.delay_seconds < SHORTEST_DELAY_SECONDS:
        raise UnsupportedConfig(
            f"{tester.where}: a delay of {tester.delay_seconds:g} s is not told from a slow answer; "
            f"at least {SHORTEST_DELAY_SECONDS:g} s are needed"
        )
    return Plan(tester, others)


def _faults(resources: Resources, user: str) -> Faults:
    headers = {HEADER: user}
    journey = CallPath(
        "webapp",
        Call("POST", PATH, headers),
        SERVICE,
        Call("POST", "/analyse/sentiment", headers),
    )
    route = inner_route(resources, journey)
    if route is None:
        raise NotConfigured(f"no VirtualService routes calls to {SERVICE}; {REMEDY}")
    bare = Route(route.where, {key: part for key, part in route.spec.items() if key != "fault"})
    others = interference(resources, bare, journey)
    if others:
        raise UnsupportedConfig(f"what is to be expected also depends on {' and '.join(others)}")
    fault = route.spec.get("fault") or {}
    abort, delay = fault.get("abort") or {}, fault.get("delay") or {}
    return Faults(
        route.where,
        (abort.get("percentage") or {}).get("value", 0) / 100,
        int(abort.get("httpStatus", 0)),
        (delay.get("percentage") or {}).get("value", 0) / 100,
        seconds(delay.get("fixedDelay", "0s")),
    )


def load_plan(plan: Plan) -> LoadPlan:
    """As many requests of the tester as of others, in turn."""
    tester = plan.tester
    wanted = [trials_for(share, NOTICED) for share in (tester.abort_share, tester.delay_share) if share]
    each = min(max(FEWEST_REQUESTS, *wanted), MOST_REQUESTS)
    rate: float = USUAL_RATE
    if tester.delay_share:
        # Delayed requests hold connections and webapp's threads: half of those are left for the others.
        rate = min(rate, MOST_CONNECTIONS / (tester.delay_share * tester.delay_seconds))
    requests = tuple(
        replace(request, headers=(*request.headers, (HEADER, user)))
        for request in sentiment_requests()
        for user in (TESTER, OTHER)
    )
    timeout_seconds = 15 + tester.delay_seconds
    count = 2 * math.ceil(each / 50) * 50
    return LoadPlan(requests, count, MOST_CONNECTIONS, timeout_seconds, rate=rate, keep_answers=True)


def is_testers(one: Observation) -> bool:
    """Whether the tester sent it: requests alternate."""
    return one.number % 2 == 0


def judged(plan: Plan, planned: int, measurement: Measurement) -> list[Check]:
    """All checks: for the tester the shares in force, for all others nothing at all."""
    tester, others = _parted(measurement)
    each, late, stalls = planned // 2, was_delayed(plan), stalled(plan, others)
    sent_late, none = late_sending(measurement), design(0.0, each)
    return [
        _share("tester's aborts", design(plan.tester.abort_share, each), tester, is_abort, stalls),
        # Requests alternate: what stood still for the others did so for as many of the tester's.
        _not_late(
            _delays("tester's delays", design(plan.tester.delay_share, each), tester, late, stalls), sent_late
        ),
        *([_status(plan.tester, each, tester)] if plan.tester.abort_share else []),
        _share("tester's other failures", none, tester, is_other_failure, stalls),
        _share("others' failures", none, others, lambda one: one.failed, stalls),
        _not_late(_delays("others' delays", none, others, late, stalls), sent_late),
    ]


def _status(faults: Faults, planned: int, tester: Measurement) -> Check:
    """Whether every abort has the status in force, as webapp was given it."""
    aborts = [one for one in tester.observations if is_abort(one)]
    others = Counter(status for one in aborts if (status := _upstream_status(one)) != faults.abort_status)
    note = ", ".join(f"{count:,} with {status or 'none'}" for status, count in others.items())
    return judge(
        f"aborts not with {faults.abort_status}",
        "none",
        design(0.0, max(1, surely_at_least(planned, faults.abort_share))),
        Count(others.total(), len(aborts)),
        note=note,
    )


def _upstream_status(one: Observation) -> int | None:
    """The status that webapp says logic answered; None where it says none."""
    try:
        status = json.loads(one.body)["upstream"]["status"]
    except (ValueError, KeyError, TypeError):
        return None
    return status if isinstance(status, int) else None


def stalled(plan: Plan, others: Measurement) -> int:
    """How many of the others' requests a machine that stood still may have delayed as long as is injected.

    An injected delay has one length. A stall has all of them: where requests took a part of the delay, too,
    or clearly more, as many as that (times `STALL_RATIO`) may have been delayed by the machine.
    """
    injected = plan.tester.delay_seconds

    def otherwise(one: Observation) -> bool:
        parts = one.latency_seconds / injected if injected else 0.0
        return one.status is not None and (LEAST_PART < parts < NEARLY or parts > EXACTLY)

    return min(others.count(was_delayed(plan)), STALL_RATIO * others.count(otherwise))


def _delays(
    name: str, wanted: Design, measurement: Measurement, late: Callable[[Observation], bool], stalls: int
) -> Check:
    """Whether the wanted share is delayed on purpose; that as many as `stalls` were not is possible."""
    found = measurement.count(lambda one: late(one) and not one.abandoned)
    stalls = min(found, stalls)
    count = Count(found - stalls, len(measurement), stalls + measurement.count(lambda one: one.abandoned))
    return judge(name, f"{percent(wanted.expected)} of these requests", wanted, count)


def _not_late(check: Check, sent_late: str) -> Check:
    """The check, but too many delays are not held against the mesh if this machine sent late itself.

    Too few are: no machine makes a delay shorter.
    """
    measured = check.measured
    too_many = measured is not None and (measured.count.share or 0.0) > measured.design.expected
    return downgrade_to_inconclusive(check, sent_late) if too_many else check


def was_delayed(plan: Plan) -> Callable[[Observation], bool]:
    """Whether a request was delayed as injected: it took that long, whatever its answer."""
    shortest = plan.tester.delay_seconds if plan.tester.delay_share else math.inf
    return lambda one: one.latency_seconds >= shortest * NEARLY


def is_abort(one: Observation) -> bool:
    """Whether webapp says that logic failed, and logic has not seen it."""
    return (
        one.status in {502, 504} and one.version_of("webapp") is not None and one.version_of(SERVICE) is None
    )


def is_other_failure(one: Observation) -> bool:
    """Whether it failed in another way than by an abort."""
    return one.failed and not is_abort(one)


def _parted(measurement: Measurement) -> tuple[Measurement, Measurement]:
    tester = [one for one in measurement.observations if is_testers(one)]
    others = [one for one in measurement.observations if not is_testers(one)]
    return Measurement(tester, measurement.seconds), Measurement(others, measurement.seconds)


def _share(
    name: str, wanted: Design, measurement: Measurement, holds: Callable[[Observation], bool], stalls: int
) -> Check:
    """The share of such requests; as many as `stalls` may have had no answer because of the machine."""
    given_up = [one for one in measurement.observations if timed_out(one)][:stalls]
    unknown = measurement.count(lambda one: one.abandoned) + len(given_up)
    found = measurement.count(lambda one: holds(one) and not one.abandoned) - sum(map(holds, given_up))
    count = Count(found, len(measurement), unknown)
    return judge(name, f"{percent(wanted.expected)} of these requests", wanted, count)


PROOF = Proof(
    scenario="fault-injection",
    proves="the tester meets delays and aborts as often as in force, and nobody else meets any",
    prove=prove,
)
