"""Ejection: a pod that fails again and again is left out for a while, and then given another chance.

One request after the other, so that what is seen has an order. First until the sick pod has failed as often
in a row as the policy tolerates: from then on it must get nothing. Then until it answers again: that must be
after `baseEjectionTime`, and not much later. Envoy looks for pods whose time is over once in `interval`; and
it ejects a pod that was ejected before for a multiple of the time, once more each time in a row, which a
proof that follows another one closely will see.

The pod stays sick: that it gets requests again *is* the second chance. The proof ends with the first of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import (
    Call,
    CallPath,
    NotConfigured,
    Resources,
    UnsupportedConfig,
    fault_rates_of,
    inner_route,
)
from loadgen.meshstate.durations import seconds
from loadgen.meshstate.routes import qualified
from loadgen.proofs.common import foreign_traffic
from loadgen.proofs.common.foreign_traffic import Entrance
from loadgen.proofs.common.measurement_quality import busy
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import Check, Count, downgrade_to_inconclusive, failed, judge, passed

SERVICE = "logic"
CALL_PATH = CallPath("webapp", Call("POST", PATH), SERVICE, Call("POST", "/analyse/sentiment"))
REMEDY = remedy("outlier-detection")

RATE = 50
"""Requests a second: few enough that one has ended before the next is sent."""
MERGE_SECONDS = 1.0
"""Envoy hands changes of health to its threads at most once in a second (`update_merge_window`)."""
MARGIN_SECONDS = 1.0
"""What comes on top: the pod must be chosen first when it is back, and machines are busy."""
GRACE_SECONDS = MERGE_SECONDS + 0.5
"""How long after the last tolerated failure a proxy may take until it leaves the pod out."""
EARLY_SECONDS = 0.1
"""How early it may be back: the time counts from Envoy's own last failure, not from its answer here."""
PACE = 0.6
"""What part of the planned requests a busy machine sends at least while the pod is out."""
MOST_IN_A_ROW = 3
"""Up to which multiple of the base time an ejection is waited for."""


@dataclass(frozen=True, slots=True)
class Ejection:
    """The policy in force (times in seconds), and the versions of which every request fails."""

    where: str
    failures: int
    interval_seconds: float
    base_seconds: float
    sick: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """What happened: until the pod had failed too often, and after that; `pause_seconds` lie between.

    `others` are requests that others sent meanwhile.
    """

    until_ejected: Measurement
    after: Measurement
    pause_seconds: float
    others: int = 0


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the policy in force, send one by one, judge the order of events."""
    policy = ejection_in_force(bench.resources())
    bench.facts["in force"] = (
        f"{policy.where}: out after {policy.failures} failures in a row, for {policy.base_seconds:g} s, "
        f"looked at every {policy.interval_seconds:g} s"
    )
    course = observe(bench, policy)
    if ejection_in_force(bench.resources()) != policy:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    returned = return_seconds(policy, course)
    if returned is not None:
        bench.facts["afterwards"] = f"the sick pod got its next request after {returned:.1f} s"
    return judged(policy, course)


def ejection_in_force(resources: Resources) -> Ejection:
    """The policy, if there is one that ejects, and a version that is wholly sick."""
    if inner_route(resources, CALL_PATH) is None:
        raise NotConfigured(f"no route leads to {SERVICE}; {REMEDY}")
    host = qualified(SERVICE, resources.namespace)
    for rule in resources.destination_rules:
        settings = (rule["spec"].get("trafficPolicy") or {}).get("outlierDetection")
        if qualified(rule["spec"]["host"], resources.namespace) != host or settings is None:
            continue
        where = f"DestinationRule {resources.namespace}/{rule['metadata']['name']}"
        failures = settings.get("consecutive5xxErrors", 5)
        if not failures:
            raise NotConfigured(f"{where}: consecutive5xxErrors is 0, which ejects nothing; {REMEDY}")
        interval, base = settings.get("interval", "10s"), settings.get("baseEjectionTime", "30s")
        policy = Ejection(where, int(failures), seconds(interval), seconds(base), _sick(resources))
        if policy.base_seconds <= GRACE_SECONDS:
            raise UnsupportedConfig(
                f"{where}: baseEjectionTime {base} is too short to be told from no ejection"
            )
        return policy
    raise NotConfigured(f"no DestinationRule of {SERVICE} has outlierDetection; {REMEDY}")


def _sick(resources: Resources) -> tuple[str, ...]:
    labels = [item["spec"]["template"]["metadata"].get("labels") or {} for item in resources.deployments]
    versions = sorted({one["version"] for one in labels if one.get("app") == SERVICE and "version" in one})
    sick = tuple(
        version for version in versions if fault_rates_of(resources, SERVICE, version).error_percent >= 100
    )
    if not sick:
        raise NotConfigured(f"no version of {SERVICE} fails at every request; {REMEDY}")
    return sick


def observe(bench: ProofContext, policy: Ejection) -> Course:
    """Send until the sick pod must be out, then until it is back."""
    longest = MOST_IN_A_ROW * policy.base_seconds + policy.interval_seconds + MERGE_SECONDS + MARGIN_SECONDS
    left = policy.failures

    def is_last_tolerated(one: Observation) -> bool:
        nonlocal left
        left -= is_sick(policy, one)
        return left <= 0

    def is_back(one: Observation) -> bool:
        return is_sick(policy, one) and one.ended_seconds > GRACE_SECONDS

    entrance = Entrance.of(bench)
    before = bench.send(_shipment(longest, "at first", is_last_tolerated))
    ended = time.monotonic()
    began = time.monotonic()
    after = bench.send(_shipment(longest, "after that", is_back))
    return Course(before, after, began - ended, entrance.others(bench, before, after))


def _shipment(longest: float, purpose: str, until: Callable[[Observation], bool]) -> LoadPlan:
    count = math.ceil(RATE * longest)
    return LoadPlan(sentiment_requests(), count, 4, 15, rate=RATE, purpose=purpose, until=until)


def is_sick(policy: Ejection, one: Observation) -> bool:
    """Whether the sick version took part in the answer."""
    return one.version_of(SERVICE) in policy.sick


def return_seconds(policy: Ejection, course: Course) -> float | None:
    """When the sick pod answered again, counted from its last tolerated failure; None if it did not."""
    found = (
        one.ended_seconds
        for one in course.after.observations
        if is_sick(policy, one) and one.ended_seconds > GRACE_SECONDS
    )
    first = next(found, None)
    return None if first is None else first + course.pause_seconds


def judged(policy: Ejection, course: Course) -> list[Check]:
    """All checks."""
    after = [one for one in course.after.observations if one.ended_seconds > GRACE_SECONDS]
    out = [one for one in after if not is_sick(policy, one)]
    everything = [*course.until_ejected.observations, *course.after.observations]
    planned = math.ceil(PACE * RATE * (policy.base_seconds - GRACE_SECONDS))
    failures = sum(one.failed and not is_sick(policy, one) for one in everything)
    # Failures of others' requests count towards an ejection, too, so that it begins earlier.
    not_ours = foreign_traffic.reason(course.others)
    other_times = not_ours or _busy(policy, course)
    return [
        downgrade_to_inconclusive(_tolerated(policy, course.until_ejected), not_ours),
        downgrade_to_inconclusive(_left_out(policy, course, planned), other_times),
        judge("failures while it is out", "none", design(0.0, planned), _failures(out)),
        judge(
            "failures of sound pods",
            "none",
            design(0.0, len(everything) or 1),
            Count(failures, len(everything)),
        ),
        downgrade_to_inconclusive(_returned(policy, course), other_times),
    ]


def _busy(policy: Ejection, course: Course) -> str:
    """Why this machine may have been late for the pod's times; empty if it was calm in both measurements."""

    def sound(one: Observation) -> bool:
        return not one.failed and not is_sick(policy, one)

    return busy(course.until_ejected, sound) or busy(course.after, sound)


def _failures(observations: Sequence[Observation]) -> Count:
    return Count(sum(one.failed for one in observations), len(observations))


def _tolerated(policy: Ejection, measurement: Measurement) -> Check:
    """Whether the sick pod took part at first: what is never chosen cannot be ejected."""
    found = measurement.count(lambda one: is_sick(policy, one) and one.failed)
    expected = f"{policy.failures} failures of {' and '.join(policy.sick)}"
    if found >= policy.failures:
        return passed("it fails", expected)
    return failed("it fails", expected, f"there were {found} in {len(measurement):,} requests")


def _left_out(policy: Ejection, course: Course, planned: int) -> Check:
    """Whether it got nothing from the grace time on until its base time was over."""
    within = [
        one
        for one in course.after.observations
        if GRACE_SECONDS < one.ended_seconds < policy.base_seconds - EARLY_SECONDS - course.pause_seconds
    ]
    count = Count(sum(is_sick(policy, one) for one in within), len(within))
    return judge("requests to it while it is out", "none", design(0.0, planned), count)


def _returned(policy: Ejection, course: Course) -> Check:
    """Whether it came back after the base time, or after a multiple if it was ejected before."""
    least = policy.base_seconds
    room = policy.interval_seconds + MERGE_SECONDS + MARGIN_SECONDS
    expected = f"again after {least:g} s to {least + room:g} s, or the same after a multiple of {least:g} s"
    found = return_seconds(policy, course)
    if found is None:
        return failed("it comes back", expected, "it got no request any more")
    times = range(1, MOST_IN_A_ROW + 1)
    if any(least * number - EARLY_SECONDS <= found <= least * number + room for number in times):
        return passed("it comes back", expected)
    return failed("it comes back", expected, f"it was back after {found:.1f} s")


PROOF = Proof(
    scenario="outlier-detection",
    proves="a pod that fails in a row is left out, and gets another chance after the time in force",
    prove=prove,
)
