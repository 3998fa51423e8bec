"""The canary: weights send a part of the requests to a new version, and only that part meets its bugs.

The load is POST /sentiment through the gateway, a number of requests that is fixed in advance. webapp's
sidecar draws a version for each call to logic, so the number that a version gets is binomial.

The shares are unbiased although the buggy version holds its requests for seconds. The loop is closed, so
slow answers slow the sending down, but *whether* a request is sent does not depend on the versions of
earlier ones: the number is fixed, and every request is waited for and counted. (To count what *ends* within
a time would favour the fast version.)

The number of requests lets the check of a share detect a deviation of `DETECTED_SHARE`, and that of a
faulty version's failures one of `DETECTED_FAILURES`, as `loadgen.statistics.design` defines it; within
bounds it is larger where the weight of a version is small.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import Quality, quality_of
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, CallPath, Resources, Split, inner_route, read_split
from loadgen.meshstate.traffic_policy import interference
from loadgen.proofs.common.proof import Proof, remedy, single_measurement
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import almost_surely_at_least, design, trials_for, trials_to_get
from loadgen.statistics.judge import Cause, Check, Count, inconclusive, judge_time
from loadgen.statistics.judge import judge as judge_share

SERVICE = "logic"
CALL_PATH = CallPath("webapp", Call("POST", PATH), SERVICE, Call("POST", "/analyse/sentiment"))
REMEDY = remedy("canary")

DETECTED_SHARE = 0.05
DETECTED_FAILURES = 0.15
FEWEST_REQUESTS = 2_000
MOST_REQUESTS = 8_000

USUAL_RATE = 500
"""Requests per second that the application answers on two cores; it decides how many hang at once."""
CONTROL_BOUND_SECONDS = 1.0
"""The bound for answers with status 200. In a closed loop an answer takes connections / rate (Little's law):
0.22 s at the usual rate; at 1 s the machine manages a quarter of it. It is a tenth of the time after which
webapp gives logic up (10 s, `UPSTREAM_TIMEOUT_SECONDS`)."""
FEWEST_CONNECTIONS = 16
MOST_CONNECTIONS = 112
"""webapp has 128 threads; some remain for its probes."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The split, and other policies that change which requests fail, one phrase for each."""

    split: Split
    interference: tuple[str, ...] = ()

    @property
    def faulty(self) -> list[str]:
        """The versions that get requests and are made to fail."""
        split = self.split
        return [
            version for version, rates in split.fault_rates.items() if rates.failing and split.shares[version]
        ]


def read(resources: Resources) -> Expectation:
    """The split of logic by weights."""
    split = read_split(resources, CALL_PATH, remedy=REMEDY)
    route = inner_route(resources, CALL_PATH)
    return Expectation(split, () if route is None else interference(resources, route, CALL_PATH))


def facts(expectation: Expectation) -> dict[str, str]:
    """The weights, how often versions are made to fail, and what else plays a part."""
    split = expectation.split
    weights = ", ".join(f"{version} {percent(share)}" for version, share in split.shares.items())
    lines = {"configured": f"{split.where}: {weights}"}
    faults = [
        f"of {version}'s requests {rates.error_percent:g} % fail at once, "
        f"{rates.hang_percent:g} % after {rates.hang_seconds:g} s"
        for version, rates in split.fault_rates.items()
        if rates.failing
    ]
    if faults:
        lines["faults"] = "; ".join(faults)
    if expectation.interference:
        lines["also"] = "; ".join(expectation.interference)
    return lines


def load_plan(expectation: Expectation) -> LoadPlan:
    """How many requests, and how many at once, for these weights and fault rates."""
    shares, fault_rates = expectation.split.shares, expectation.split.fault_rates
    needed = [trials_for(share, DETECTED_SHARE) for share in shares.values()]
    needed += [
        trials_to_get(trials_for(fault_rates[version].failing, DETECTED_FAILURES), share)
        for version, share in shares.items()
        if share and 0 < fault_rates[version].failing < 1
    ]
    count = min(max(FEWEST_REQUESTS, *needed), MOST_REQUESTS)
    hanging = sum(
        share * fault_rates[version].hang_percent / 100 * fault_rates[version].hang_seconds
        for version, share in shares.items()
    )
    connections = min(FEWEST_CONNECTIONS + math.ceil(USUAL_RATE * hanging), MOST_CONNECTIONS)
    longest = max(rates.hang_seconds for rates in fault_rates.values())
    rounded = math.ceil(count / 100) * 100
    return LoadPlan(sentiment_requests(), rounded, connections, timeout_seconds=15 + longest)


def quality(_: Expectation, measurement: Measurement) -> Quality:
    """By the answers with status 200: nothing configured delays those."""
    return quality_of(measurement, control=lambda one: one.status == 200, bound_seconds=CONTROL_BOUND_SECONDS)


def judge(expectation: Expectation, measurement: Measurement) -> list[Check]:
    """The shares, whose failures there are, and how many."""
    faulty = expectation.faulty
    checks = [*_shares(expectation.split, measurement), _only_faulty_fail(expectation, measurement)]
    if expectation.interference:
        reason = f"failures also depend on {' and '.join(expectation.interference)}"
        names = [*(f"failures of {version}" for version in faulty), "failures overall"]
        return checks + [
            inconclusive(name, "by weights and fault rates", Cause.UNSUPPORTED_CONFIG, reason)
            for name in names
        ]
    checks += [_failures(expectation.split, measurement, version) for version in faulty]
    checks.append(_failures_overall(expectation, measurement))
    return checks


def _shares(split: Split, measurement: Measurement) -> list[Check]:
    """Each version's share; a version that nothing is routed to must not answer at all."""
    observed = measurement.versions_of(split.service)
    unknown = observed.pop(None, 0)
    shares = dict.fromkeys(sorted(version for version in observed if version), 0.0) | dict(split.shares)
    return [
        judge_share(
            f"share of {version}",
            f"{percent(share)} of all requests",
            design(share, measurement.planned),
            Count(observed.get(version, 0), len(measurement), unknown),
        )
        for version, share in sorted(shares.items())
    ]


def _only_faulty_fail(expectation: Expectation, measurement: Measurement) -> Check:
    """Whether every failing answer names a version that is made to fail; one that names none is wrong, too.

    Unknown is only who failed a request without any answer, or one that another policy may have ended on
    its way.
    """
    split, faulty = expectation.split, expectation.faulty
    wrong: Counter[str] = Counter()
    unknown = timeouts = 0
    for one in measurement.observations:
        version = one.version_of(split.service)
        if not one.failed or version in faulty:
            continue
        if one.status is None or (version is None and expectation.interference):
            unknown += 1
        else:
            wrong[version or f"no version of {split.service}"] += 1
            timeouts += _is_webapps_timeout(one)
    notes = [f"{count:,} failing answers name {who}" for who, count in sorted(wrong.items())]
    if unknown:
        notes.append(f"who failed {unknown:,} is unknown")
    name = f"only {' and '.join(faulty)} fails" if faulty else "nothing fails"
    plan, note = design(0.0, measurement.planned), ", ".join(notes)
    count = Count(wrong.total(), len(measurement), unknown)
    return judge_time(
        lambda count: judge_share(name, "no other failure", plan, count, note=note),
        count,
        count.without(successes=timeouts),
        quality(expectation, measurement).busy,
    )


def _is_webapps_timeout(one: Observation) -> bool:
    """Whether webapp answered that logic took too long."""
    return (
        one.status == 504 and one.version_of(SERVICE) is None and one.version_of(CALL_PATH.entry) is not None
    )


def _failures(split: Split, measurement: Measurement, version: str) -> Check:
    """How often a faulty version fails, of the requests it got."""
    failing = min(1.0, split.fault_rates[version].failing)
    unknown = measurement.count(lambda one: one.version_of(split.service) is None)
    got = measurement.count(lambda one: one.version_of(split.service) == version)
    failures = measurement.count(lambda one: one.failed and one.version_of(split.service) == version)
    return judge_share(
        f"failures of {version}",
        f"{percent(failing)} of its requests",
        design(failing, almost_surely_at_least(measurement.planned, split.shares[version])),
        Count(failures, got + unknown, unknown),
    )


def _failures_overall(expectation: Expectation, measurement: Measurement) -> Check:
    """How often users see a failure; a request without an answer is one, unless it was not waited for."""
    split = expectation.split
    failing = sum(
        share * min(1.0, split.fault_rates[version].failing) for version, share in split.shares.items()
    )
    failures = measurement.count(lambda one: one.failed and not one.abandoned)
    count = Count(failures, len(measurement), measurement.abandoned)
    timeouts = measurement.count(lambda one: one.timed_out or _is_webapps_timeout(one))
    plan = design(failing, measurement.planned)
    return judge_time(
        lambda count: judge_share("failures overall", f"{percent(failing)} of all requests", plan, count),
        count,
        count.without(successes=timeouts),
        quality(expectation, measurement).busy,
    )


PROOF = Proof(
    scenario="canary",
    proves="logic's versions get their shares, and only the faulty one fails",
    read=read,
    facts=facts,
    measure=single_measurement(load_plan),
    judge=judge,
    quality=quality,
)
