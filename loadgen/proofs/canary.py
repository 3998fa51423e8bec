"""The canary: weights send a part of the traffic to a new version, and only that part suffers from its bugs.

What is sent: POST /sentiment through the gateway, a number of requests fixed beforehand. Each is routed
on its own, by chance, when webapp calls logic: so the number that a version gets is binomial.

Why the shares are unbiased although the buggy version holds its requests for seconds: the loop is
closed, so slow answers slow the sending down, but *whether* a request is sent does not depend on where
earlier ones went: the number is fixed, and every one that was sent is waited for and counted. (Counting
what has *ended* within a time would favour the fast version.)

How many: enough for a share that is off by `NOTICED_SHARE` and for a failure share of a faulty version that
is off by `NOTICED_FAILURES` to be noticed as `loadgen.statistics.design` says; more where a version's
weight is small, within bounds. The design of each check, with what it notices, is part of the report.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import Call, CallPath, Split, UnsupportedConfig, read_split
from loadgen.proofs.common.measurement_quality import STALL_RATIO, timed_out
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design, surely_at_least, trials_for, trials_to_get
from loadgen.statistics.judge import Check, Count, inconclusive, judge

SERVICE = "logic"
CALL_PATH = CallPath("webapp", Call("POST", PATH), SERVICE, Call("POST", "/analyse/sentiment"))
REMEDY = remedy("canary")

NOTICED_SHARE = 0.05
NOTICED_FAILURES = 0.15
FEWEST_REQUESTS = 2_000
MOST_REQUESTS = 8_000

USUAL_RATE = 500
"""Requests per second that the application manages on two cores: decides how many hang at once."""
SLOW_SECONDS = 1.0
"""What an answer takes on a slow machine only, although so many are sent at once."""
GIVEN_UP_SECONDS = 5.0
"""Half of what webapp waits for logic: an answer that comes later may be webapp's own deadline."""
FEWEST_CONNECTIONS = 16
MOST_CONNECTIONS = 112
"""webapp has 128 threads; some stay free for its probes."""


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the split in force, send, count, judge."""
    split = read_split(bench.resources(), CALL_PATH, remedy=REMEDY)
    bench.facts |= facts(split)
    plan = plan_for(split)
    measurement = bench.send(plan)
    if read_split(bench.resources(), CALL_PATH, remedy=REMEDY) != split:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return judged(split, plan.count, measurement)


def plan_for(split: Split) -> LoadPlan:
    """How many requests, and how many at once, for the weights and odds in force."""
    wanted = [trials_for(share, NOTICED_SHARE) for share in split.shares.values()]
    wanted += [
        trials_to_get(trials_for(split.odds[version].failing, NOTICED_FAILURES), share)
        for version, share in split.shares.items()
        if share and 0 < split.odds[version].failing < 1
    ]
    count = min(max(FEWEST_REQUESTS, *wanted), MOST_REQUESTS)
    hanging = sum(
        share * odds.hang_percent / 100 * odds.hang_seconds
        for share, odds in zip(split.shares.values(), split.odds.values(), strict=True)
    )
    connections = min(FEWEST_CONNECTIONS + math.ceil(USUAL_RATE * hanging), MOST_CONNECTIONS)
    longest = max(odds.hang_seconds for odds in split.odds.values())
    rounded = math.ceil(count / 100) * 100
    return LoadPlan(sentiment_requests(), rounded, connections, timeout_seconds=15 + longest)


def judged(split: Split, planned: int, measurement: Measurement) -> list[Check]:
    """All checks; what an answer does not say counts as unknown, whatever the other answers are like."""
    faulty = [version for version, odds in split.odds.items() if odds.failing and split.shares[version]]
    checks = _shares(split, planned, measurement)
    checks.append(_blame(split, planned, measurement, faulty))
    if split.interference:
        reason = f"not computed, since failures also depend on {' and '.join(split.interference)}"
        names = [*(f"failures of {version}" for version in faulty), "failures overall"]
        return checks + [inconclusive(name, "as weights and odds in force say", reason) for name in names]
    checks += [_failures(split, planned, measurement, version) for version in faulty]
    checks.append(_failures_overall(split, planned, measurement))
    return checks


def _shares(split: Split, planned: int, measurement: Measurement) -> list[Check]:
    """Each version's share; a version that nothing routes to must not answer at all."""
    found = measurement.versions_of(split.service)
    unknown = found.pop(None, 0)
    shares = dict.fromkeys(sorted(version for version in found if version), 0.0) | dict(split.shares)
    return [
        judge(
            f"share of {version}",
            f"{percent(share)} of all requests",
            design(share, planned),
            Count(found.get(version, 0), len(measurement), unknown),
        )
        for version, share in sorted(shares.items())
    ]


def _blame(split: Split, planned: int, measurement: Measurement, faulty: list[str]) -> Check:
    """Whether every failing answer names a version that is made to fail.

    A failing answer that names no version is held against the mesh, too. Unknown is only who failed a
    request without any answer, or one that a policy in force may have cut short on its way, or one that
    webapp may have given up because the machine was slow.
    """
    blamed: Counter[str] = Counter()
    unknown, given_up = 0, _given_up(split, measurement)
    for one in measurement.observations:
        version = one.version_of(split.service)
        if not one.failed or version in faulty:
            continue
        if one.status is None or (version is None and split.interference):
            unknown += 1
        else:
            blamed[version or f"no version of {split.service}"] += 1
    if given_up:
        blamed[f"no version of {split.service}"] -= given_up
        unknown += given_up
    notes = [f"{count:,} failing answers name {who}" for who, count in sorted(blamed.items()) if count]
    if unknown:
        notes.append(f"who failed {unknown:,} is unknown")
    name = f"only {' and '.join(faulty)} fails" if faulty else "nothing fails"
    count = Count(blamed.total(), len(measurement), unknown)
    return judge(name, "no other failure", design(0.0, planned), count, note=", ".join(notes))


def _given_up(split: Split, measurement: Measurement) -> int:
    """How many requests webapp gave up waiting for, maybe because the machine was slow.

    It waits for 10 s unless told otherwise, and then answers 504 in its own name. That is the machine's doing
    only where answers that nothing delays took long, too.
    """
    late = measurement.count(
        lambda one: (
            one.status == 504
            and one.version_of(split.service) is None
            and one.version_of(CALL_PATH.entry) is not None
            and one.latency_seconds > GIVEN_UP_SECONDS
        )
    )
    return 0 if split.interference else min(late, _stalled(measurement))


def _stalled(measurement: Measurement) -> int:
    """How many requests may have had no answer in time because the machine was slow."""
    return STALL_RATIO * measurement.count(
        lambda one: one.status == 200 and one.latency_seconds > SLOW_SECONDS
    )


def _failures(split: Split, planned: int, measurement: Measurement, version: str) -> Check:
    """How often a faulty version fails, of the requests it got."""
    failing = min(1.0, split.odds[version].failing)
    unknown = measurement.count(lambda one: one.version_of(split.service) is None)
    got = measurement.count(lambda one: one.version_of(split.service) == version)
    failures = measurement.count(lambda one: one.failed and one.version_of(split.service) == version)
    return judge(
        f"failures of {version}",
        f"{percent(failing)} of its requests",
        design(failing, surely_at_least(planned, split.shares[version])),
        Count(failures, got + unknown, unknown),
    )


def _failures_overall(split: Split, planned: int, measurement: Measurement) -> Check:
    """How often users see a failure; no answer is one, unless it was not waited for."""
    expected = sum(share * min(1.0, split.odds[version].failing) for version, share in split.shares.items())
    given_up = min(_given_up(split, measurement) + measurement.count(timed_out), _stalled(measurement))
    failures = measurement.count(lambda one: one.failed and not one.abandoned) - given_up
    count = Count(failures, len(measurement), measurement.count(lambda one: one.abandoned) + given_up)
    return judge("failures overall", f"{percent(expected)} of all requests", design(expected, planned), count)


def facts(split: Split) -> dict[str, str]:
    """What is in force, for the report: the weights, who is made to fail how often, and what else matters."""
    weights = ", ".join(f"{version} {percent(share)}" for version, share in split.shares.items())
    noted = {"in force": f"{split.where}: {weights}"}
    faults = [
        f"of {version}'s requests {odds.error_percent:g} % fail at once, "
        f"{odds.hang_percent:g} % after {odds.hang_seconds:g} s"
        for version, odds in split.odds.items()
        if odds.failing
    ]
    if faults:
        noted["faults"] = "; ".join(faults)
    if split.interference:
        noted["also"] = "; ".join(split.interference)
    return noted


PROOF = Proof(
    scenario="canary",
    proves="logic's versions get their shares, and only the faulty one fails",
    prove=prove,
)
