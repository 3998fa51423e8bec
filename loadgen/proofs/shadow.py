"""Shadow: users are served by the old version, and copies of their requests try the new one.

Users do not see the answers to the copies, so the pods are asked about them: their counters say how many
arrived and how they ended (the share, the failures), and their logs say it for each request id. The users'
answers have the same ids: joined, they report how the new version would have answered.

A copy is sent at the same time as the original and may be in flight when the user has the answer, so the
counters are read when nothing is in flight any more.

Feedback is mirrored to itself: each write arrives twice, with one request id, and must be stored once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.quality import Quality
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import Call, FaultRates, MeshApi, Resources, UnsupportedConfig
from loadgen.meshstate.pods import metric_sum
from loadgen.meshstate.routes import edge_route, route_in_mesh
from loadgen.meshstate.split import fault_rates_of, shares_in_mesh
from loadgen.meshstate.traffic_policy import Mirror, mirror_of
from loadgen.proofs.common.copies import (
    FEEDBACK,
    SETTLING_SECONDS,
    Activity,
    Writes,
    in_flight,
    quiet_seconds,
    send_writes,
    settled,
    write_checks,
)
from loadgen.proofs.common.foreign_traffic import EntryCounter, own_log_lines
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import almost_surely_at_least, design, trials_for, trials_to_get
from loadgen.statistics.judge import Cause, Check, Count, exact_check, inconclusive
from loadgen.statistics.judge import judge as judge_share

SERVICE = "logic"
CALL = Call("POST", "/analyse/sentiment")
REMEDY = remedy("shadow")

DETECTED_SHARE = 0.1
DETECTED_FAILURES = 0.15
FEWEST_REQUESTS = 400
MOST_REQUESTS = 2_500
CONNECTIONS = 8
"""Few: no user waits for copies that hang, so more would accumulate than end."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """The version that serves users, where copies go, and how either is made to fail."""

    live: str
    mirror: Mirror
    live_rates: FaultRates
    rates: FaultRates
    writes: Mirror


@dataclass(frozen=True, slots=True)
class Copies:
    """What the mirrored version has counted of the copies by outcome, and logged of each.

    `records` are the log lines by request id; None where they cannot be read. `complete` is false if copies
    were still in flight when the counters were read. `foreign_requests` were sent by others meanwhile;
    copies of them arrive, too.
    """

    outcomes: Mapping[str, int]
    records: Mapping[str, Sequence[Mapping[str, Any]]] | None
    complete: bool = True
    foreign_requests: int = 0

    @property
    def arrived(self) -> int:
        """How many copies arrived."""
        return sum(self.outcomes.values())


@dataclass(slots=True)
class Comparison:
    """How the mirrored version would have answered the users' requests, joined by request id."""

    joined: int = 0
    again: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    other_polarities: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """The users' answers and the copies of their requests, and the mirrored writes."""

    measurement: Measurement
    copies: Copies
    writes: Writes


def read(resources: Resources) -> Shadow:
    """The mirrors; raises NotConfigured where nothing is mirrored."""
    route = route_in_mesh(resources, SERVICE, CALL, caller="webapp")
    mirror = mirror_of(resources, route, remedy=REMEDY)
    live = shares_in_mesh(resources, SERVICE, CALL, caller="webapp").shares
    if len(live) != 1 or mirror.version in live or mirror.service != SERVICE:
        raise UnsupportedConfig(
            f"{route.where} serves users from {', '.join(live)} and mirrors to {mirror.service} "
            f"{mirror.version}: one version of {SERVICE} is expected for each, and not the same"
        )
    writes = mirror_of(resources, edge_route(resources, Call("POST", FEEDBACK.path)), remedy=REMEDY)
    (version,) = live
    live_rates, rates = (fault_rates_of(resources, SERVICE, name) for name in (version, mirror.version))
    return Shadow(version, mirror, live_rates, rates, writes)


def facts(shadow: Shadow) -> dict[str, str]:
    """The mirrors and the fault rates."""
    mirror, rates = shadow.mirror, shadow.rates
    lines = {
        "configured": f"{mirror.where}: users on {shadow.live}, {percent(mirror.share)} mirrored to "
        f"{mirror.version}; {shadow.writes.where}: {percent(shadow.writes.share)} mirrored to "
        f"{shadow.writes.service}"
    }
    if rates.failing:
        lines["faults"] = (
            f"of {mirror.version}'s requests {rates.error_percent:g} % fail at once, "
            f"{rates.hang_percent:g} % after {rates.hang_seconds:g} s"
        )
    return lines


def load_plan(shadow: Shadow) -> LoadPlan:
    """So many requests that the chosen deviations of share and failures are detected."""
    share, failing = shadow.mirror.share, shadow.rates.failing
    needed = [FEWEST_REQUESTS, trials_for(share, DETECTED_SHARE)]
    if 0 < failing < 1:
        needed.append(trials_to_get(trials_for(failing, DETECTED_FAILURES), share))
    count = min(max(needed), MOST_REQUESTS)
    return LoadPlan(sentiment_requests(), count, CONNECTIONS, timeout_seconds=15, keep_answers=True)


def measure(context: ProofContext, shadow: Shadow) -> Observed:
    """Send sentences and wait for their copies, then send writes."""
    measurement, copies = _send_sentences(context, shadow)
    return Observed(measurement, copies, send_writes(context, shadow.writes))


def _send_sentences(context: ProofContext, shadow: Shadow) -> tuple[Measurement, Copies]:
    version, plan, api = shadow.mirror.version, load_plan(shadow), context.api
    entry, before = EntryCounter.read(api), _outcomes(api, version)
    measurement = context.send(plan)
    complete = settled(
        lambda: Activity(_outcomes(api, version).total(), in_flight(context, SERVICE, version)),
        enough=before.total() + plan.count if shadow.mirror.share == 1 else None,
        within_seconds=SETTLING_SECONDS,
        quiet=quiet_seconds(measurement),
    )
    after = _outcomes(api, version)
    counts = {name: after[name] - before[name] for name in after}
    records = _records(api, version, measurement)
    return measurement, Copies(counts, records, complete, entry.foreign_requests(measurement))


def _outcomes(api: MeshApi, version: str) -> Counter[str]:
    """How many requests of each outcome the pods of a version have counted so far."""
    metric = "sentimesh_logic_requests_total"
    names = ("answered", "error", "hang")
    return Counter({name: int(metric_sum(api, SERVICE, version, metric, outcome=name)) for name in names})


def _records(
    api: MeshApi, version: str, measurement: Measurement
) -> dict[str, list[Mapping[str, Any]]] | None:
    """The log lines about the copies by request id; None if a log cannot be read."""
    lines = own_log_lines(api, SERVICE, [version], measurement)
    if lines is None:
        return None
    records: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        records.setdefault(line["request_id"], []).append(line)
    return records


def findings(shadow: Shadow, observed: Observed) -> dict[str, str]:
    """How the mirrored version would have answered, in one sentence."""
    if observed.copies.records is None:
        return {}
    comparison = compared(observed.measurement, observed.copies)
    ends = comparison.ends
    return {
        "report": f"of {comparison.joined:,} requests {shadow.mirror.version} would have failed "
        f"{ends['error']:,} at once and {ends['hang']:,} after hanging for {shadow.rates.hang_seconds:g} s, "
        f"and answered {ends['answered']:,}, {comparison.other_polarities:,} of them with another polarity "
        f"than {shadow.live}"
    }


def quality(_: Shadow, observed: Observed) -> Quality:
    """Only requests of others matter: nothing here is a check of time."""
    return Quality(foreign_requests=observed.copies.foreign_requests)


def compared(measurement: Measurement, copies: Copies) -> Comparison:
    """The users' answers compared with those of the mirrored version."""
    comparison = Comparison()
    for one in measurement.observations:
        lines = (copies.records or {}).get(one.request_id or "", ())
        if not lines:
            continue
        comparison.joined += 1
        comparison.again += len(lines) - 1
        comparison.ends[lines[0]["outcome"]] += 1
        if lines[0]["outcome"] == "answered" and one.status == 200:
            comparison.other_polarities += lines[0].get("polarity") != json.loads(one.body)["polarity"]
    return comparison


def judge(shadow: Shadow, observed: Observed) -> list[Check]:
    """The users' side, the copies, the join of both, and the writes."""
    measurement, live = observed.measurement, observed.measurement.versions_of(SERVICE)
    failures = measurement.count(lambda one: one.failed and not one.abandoned)
    failing = shadow.live_rates.failing
    return [
        judge_share(
            "users see failures",
            f"{percent(failing)} of all requests",
            design(failing, measurement.planned),
            Count(failures, len(measurement), measurement.abandoned),
        ),
        judge_share(
            f"users served by {shadow.live}",
            "all requests",
            design(1.0, measurement.planned),
            Count(live.get(shadow.live, 0), len(measurement), live.get(None, 0)),
        ),
        *_copies(shadow, measurement, observed.copies),
        _joined(measurement, observed.copies),
        *write_checks(shadow.writes, observed.writes),
    ]


def _copies(shadow: Shadow, measurement: Measurement, copies: Copies) -> list[Check]:
    """How many copies arrived, and how many of them failed."""
    mirror = shadow.mirror
    share, failure = f"copies to {mirror.version}", f"failures of {mirror.version}"
    cause = _uncountable(mirror, measurement, copies)
    if cause is not None:
        return [inconclusive(name, "as configured", *cause) for name in (share, failure)]
    failing = min(1.0, shadow.rates.failing)
    return [
        judge_share(
            share,
            f"{percent(mirror.share)} of all requests",
            design(mirror.share, measurement.planned),
            Count(copies.arrived, len(measurement)),
        ),
        judge_share(
            failure,
            f"{percent(failing)} of the copies",
            design(failing, almost_surely_at_least(measurement.planned, mirror.share)),
            Count(copies.arrived - copies.outcomes["answered"], copies.arrived),
        ),
    ]


def _uncountable(mirror: Mirror, measurement: Measurement, copies: Copies) -> tuple[Cause, str] | None:
    """Why the counters do not say how many copies arrived and failed; None if they do."""
    if copies.foreign_requests:
        return Cause.FOREIGN_TRAFFIC, Quality(foreign_requests=copies.foreign_requests).foreign
    if not copies.complete:
        return Cause.BUSY, f"{mirror.version} still had requests in flight after {SETTLING_SECONDS} s"
    if copies.arrived > len(measurement):
        reached = f"{copies.arrived:,} requests reached {mirror.version}"
        return Cause.FOREIGN_TRAFFIC, f"{reached} for {len(measurement):,} that were sent"
    return None


def _joined(measurement: Measurement, copies: Copies) -> Check:
    """Whether each copy has the id of one request of a user, and no two have the same."""
    name, expected = "copies joined by id", "each copy to one request"
    if copies.records is None:
        return inconclusive(name, expected, Cause.UNREACHABLE, "the log of the pods cannot be read")
    comparison = compared(measurement, copies)
    if comparison.again:
        return exact_check(name, expected, f"{comparison.again:,} requests that were copied more than once")
    if 0 < copies.arrived - comparison.joined <= copies.foreign_requests:
        foreign = Quality(foreign_requests=copies.foreign_requests).foreign
        return inconclusive(name, expected, Cause.FOREIGN_TRAFFIC, foreign)
    count = Count(min(comparison.joined, copies.arrived), copies.arrived)
    return judge_share(name, expected, design(1.0, max(1, copies.arrived)), count)


PROOF = Proof(
    scenario="shadow",
    proves="users stay on v1 unaffected while copies of their requests try v2",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=findings,
    quality=quality,
)
