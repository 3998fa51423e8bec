"""Outlier detection: a pod that fails repeatedly is ejected for a while, and then gets another chance.

Requests are sent one after the other, so that the observations have an order. First until the sick pod has
failed as often in a row as the policy tolerates: from then on it must get nothing. Then until it answers
again: not before `baseEjectionTime`, and not much later. Envoy looks for pods whose ejection is over once
per `interval`. A pod that was ejected before is ejected for a multiple of the time, which a proof sees that
follows another one closely.

The pod stays sick: that it gets requests again *is* the other chance. The proof ends with the first of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import Quality, quality_of
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
from loadgen.meshstate.resources import pod_labels, seconds
from loadgen.proofs.common.foreign_traffic import EntryCounter
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.design import design
from loadgen.statistics.judge import (
    Cause,
    Check,
    Count,
    as_inconclusive,
    failed,
    judge_time,
    passed,
    unless,
)
from loadgen.statistics.judge import judge as judge_share

SERVICE = "logic"
CALL_PATH = CallPath("webapp", Call("POST", PATH), SERVICE, Call("POST", "/analyse/sentiment"))
REMEDY = remedy("outlier-detection")

RATE = 50
"""Requests a second: few enough that one has ended before the next is sent."""
CONNECTIONS = 4
MERGE_SECONDS = 1.0
"""Envoy passes changes of health to its threads at most once a second (`update_merge_window`)."""
MARGIN_SECONDS = 1.0
"""Additional time: the pod that is back must be chosen first, and machines are busy."""
GRACE_SECONDS = MERGE_SECONDS + 0.5
"""How long after the last tolerated failure a proxy may take to eject the pod."""
EARLY_SECONDS = 0.1
"""How early it may be back: Envoy counts from the last failure that it saw, not from its answer here."""
PACE = 0.6
"""The part of the planned requests that even a busy machine sends during the ejection."""
MOST_IN_A_ROW = 10
"""Up to which multiple of the base time an ejection is waited for: each one in a row takes the base time
longer (Envoy, "Outlier detection": Ejection algorithm), and users repeat this proof."""


@dataclass(frozen=True, slots=True)
class Ejection:
    """The policy (times in seconds), and the versions of which every request fails."""

    where: str
    failures: int
    interval_seconds: float
    base_seconds: float
    sick: tuple[str, ...]

    @property
    def latest_seconds(self) -> float:
        """How much later than the end of an ejection the pod may answer."""
        return self.interval_seconds + MERGE_SECONDS + MARGIN_SECONDS

    def is_sick(self, one: Observation) -> bool:
        """Whether a sick version took part in the answer."""
        return one.version_of(SERVICE) in self.sick


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers until the pod had failed too often, and those after that."""

    until_ejected: Measurement
    after: Measurement
    foreign_requests: int = 0

    @property
    def pause_seconds(self) -> float:
        """The time between the two measurements."""
        return max(0.0, self.after.started - self.until_ejected.started - self.until_ejected.seconds)


def read(resources: Resources) -> Ejection:
    """The policy, if there is one that ejects, and a version that always fails."""
    if inner_route(resources, CALL_PATH) is None:
        raise NotConfigured(f"no route leads to {SERVICE}; {REMEDY}")
    for rule in resources.rules_of(SERVICE):
        settings = (rule["spec"].get("trafficPolicy") or {}).get("outlierDetection")
        if settings is None:
            continue
        where = f"DestinationRule {resources.namespace}/{rule['metadata']['name']}"
        failures = settings.get("consecutive5xxErrors", 5)
        if not failures:
            raise NotConfigured(f"{where}: consecutive5xxErrors is 0, which ejects nothing; {REMEDY}")
        interval, base = settings.get("interval", "10s"), settings.get("baseEjectionTime", "30s")
        ejection = Ejection(where, int(failures), seconds(interval), seconds(base), _sick(resources))
        if ejection.base_seconds <= GRACE_SECONDS:
            raise UnsupportedConfig(
                f"{where}: baseEjectionTime {base} is too short to be distinguished from no ejection"
            )
        return ejection
    raise NotConfigured(f"no DestinationRule of {SERVICE} has outlierDetection; {REMEDY}")


def _sick(resources: Resources) -> tuple[str, ...]:
    labels = map(pod_labels, resources.deployments_with({"app": SERVICE}))
    versions = sorted({of_pod["version"] for of_pod in labels if "version" in of_pod})
    sick = tuple(
        version for version in versions if fault_rates_of(resources, SERVICE, version).error_percent >= 100
    )
    if not sick:
        raise NotConfigured(f"no version of {SERVICE} fails at every request; {REMEDY}")
    return sick


def facts(ejection: Ejection) -> dict[str, str]:
    """The policy."""
    return {
        "configured": f"{ejection.where}: ejected after {ejection.failures} failures in a row, for "
        f"{ejection.base_seconds:g} s, checked every {ejection.interval_seconds:g} s"
    }


def measure(context: ProofContext, ejection: Ejection, *, at_first: int = CONNECTIONS) -> Observed:
    """Send until the sick pod must be ejected, `at_first` at once, then until it is back."""
    longest = MOST_IN_A_ROW * ejection.base_seconds + ejection.latest_seconds
    left = ejection.failures

    def is_last_tolerated(one: Observation) -> bool:
        nonlocal left
        left -= ejection.is_sick(one)
        return left <= 0

    def is_back(one: Observation) -> bool:
        return ejection.is_sick(one) and one.ended_seconds > GRACE_SECONDS

    entry = EntryCounter.read(context.api)
    until_ejected = context.send(_load_plan(longest, at_first, "at first", is_last_tolerated))
    after = context.send(_load_plan(longest, CONNECTIONS, "after that", is_back))
    return Observed(until_ejected, after, entry.foreign_requests(until_ejected, after))


def _load_plan(
    longest: float, connections: int, purpose: str, until: Callable[[Observation], bool]
) -> LoadPlan:
    count = math.ceil(RATE * longest)
    return LoadPlan(sentiment_requests(), count, connections, 15, rate=RATE, purpose=purpose, until=until)


def findings(ejection: Ejection, observed: Observed) -> dict[str, str]:
    """When the pod was back."""
    returned = return_seconds(ejection, observed)
    if returned is None:
        return {}
    return {"afterwards": f"the sick pod got its next request after {returned:.1f} s"}


def return_seconds(ejection: Ejection, observed: Observed) -> float | None:
    """When the sick pod answered again, counted from its last tolerated failure; None if it did not."""
    returns = (
        one.ended_seconds
        for one in observed.after.observations
        if ejection.is_sick(one) and one.ended_seconds > GRACE_SECONDS
    )
    first = next(returns, None)
    return None if first is None else first + observed.pause_seconds


def quality(ejection: Ejection, observed: Observed) -> Quality:
    """By the answers of sound pods."""
    return quality_of(
        observed.until_ejected,
        observed.after,
        control=lambda one: not one.failed and not ejection.is_sick(one),
        foreign_requests=observed.foreign_requests,
    )


def judge(ejection: Ejection, observed: Observed) -> list[Check]:
    """The pod fails, gets no requests, and returns in time; other pods do not fail."""
    measured = quality(ejection, observed)
    after = observed.after.where(lambda one: one.ended_seconds > GRACE_SECONDS)
    during = [one for one in after if not ejection.is_sick(one)]
    everything = [*observed.until_ejected.observations, *observed.after.observations]
    planned = planned_during(ejection)
    of_sound = sum(one.failed and not ejection.is_sick(one) for one in everything)
    # Failures of requests of others count towards an ejection, too, so it may start earlier.
    fails, left_out, returned = (
        unless(check, Cause.FOREIGN_TRAFFIC, measured.foreign)
        for check in (
            _fails(ejection, observed.until_ejected),
            _left_out(ejection, observed, planned, measured.busy),
            _returned(ejection, observed, measured.busy),
        )
    )
    return [
        fails,
        left_out,
        judge_share(
            "failures during ejection",
            "none",
            design(0.0, planned),
            Count(sum(one.failed for one in during), len(during)),
        ),
        judge_share(
            "failures of sound pods",
            "none",
            design(0.0, len(everything) or 1),
            Count(of_sound, len(everything)),
        ),
        returned,
    ]


def planned_during(ejection: Ejection) -> int:
    """How many requests are sent during the ejection, even on a busy machine."""
    return math.ceil(PACE * RATE * (ejection.base_seconds - GRACE_SECONDS))


def _fails(ejection: Ejection, measurement: Measurement) -> Check:
    """Whether the sick pod took part at first: one that is never chosen cannot be ejected."""
    failures = measurement.count(lambda one: ejection.is_sick(one) and one.failed)
    expected = f"{ejection.failures} failures of {' and '.join(ejection.sick)}"
    if failures >= ejection.failures:
        return passed("it fails", expected)
    return failed("it fails", expected, f"there were {failures} in {len(measurement):,} requests")


def _left_out(ejection: Ejection, observed: Observed, planned: int, busy: str) -> Check:
    """Whether it got nothing from the end of the grace time until the end of the base time."""
    end = ejection.base_seconds - EARLY_SECONDS - observed.pause_seconds
    during = observed.after.where(lambda one: GRACE_SECONDS < one.ended_seconds < end)
    count = Count(sum(map(ejection.is_sick, during)), len(during))
    plan = design(0.0, planned)
    return judge_time(
        lambda count: judge_share("requests to it during ejection", "none", plan, count),
        count,
        count.without(successes=count.successes),
        busy,
    )


def _returned(ejection: Ejection, observed: Observed, busy: str) -> Check:
    """Whether it was back in time, unless the machine was too slow to tell."""
    check = _back_in_time(ejection, observed)
    return as_inconclusive(check, Cause.BUSY, busy) if busy else check


def _back_in_time(ejection: Ejection, observed: Observed) -> Check:
    """Whether it was back after the base time, or after a multiple if it was ejected before."""
    base, latest = ejection.base_seconds, ejection.latest_seconds
    expected = f"after {base:g} s to {base + latest:g} s, or as much after a multiple of {base:g} s"
    returned = return_seconds(ejection, observed)
    if returned is None:
        reason = f"it got no more requests, at {MOST_IN_A_ROW} times {base:g} s either"
        return failed("it comes back", expected, reason)
    multiples = (base * number for number in range(1, MOST_IN_A_ROW + 1))
    if any(multiple - EARLY_SECONDS <= returned <= multiple + latest for multiple in multiples):
        return passed("it comes back", expected)
    return failed("it comes back", expected, f"it was back after {returned:.1f} s")


PROOF = Proof(
    scenario="outlier-detection",
    proves="a pod that fails in a row is ejected, and gets another chance after the configured time",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=findings,
    quality=quality,
)
