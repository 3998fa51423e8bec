"""Shadow: users are served by the old version, copies of their requests try the new one.

Nobody sees the answers to the copies, so what became of them is asked of the pods: their counters say how
many came and how they ended (the share, the failures), and their log says it for every request id. The
users' answers carry the same ids: joined, they are the report of how the new version would have answered.

A copy is sent at the same time as the original and may be under way when the user has the answer, so the
counters are read once nothing is under way any more.

Feedback is mirrored to itself: each write arrives twice, under one request id, and must be stored once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.meshstate import Call, FaultRates, Resources, UnsupportedConfig
from loadgen.meshstate.metrics import counted
from loadgen.meshstate.mirrors import Mirror, mirror_of
from loadgen.meshstate.shares import edge_route, route_in_mesh, shares_in_mesh
from loadgen.meshstate.split import fault_rates_of
from loadgen.proofs.common import foreign_traffic
from loadgen.proofs.common.foreign_traffic import Entrance, own_lines
from loadgen.proofs.common.mirrored_writes import FEEDBACK, write_checks
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.proofs.common.quiescence import SETTLING_SECONDS, Activity, quiet_seconds, settled, under_way
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design, surely_at_least, trials_for, trials_to_get
from loadgen.statistics.judge import BUSY, Check, Count, exact_check, inconclusive, judge

SERVICE = "logic"
CALL = Call("POST", "/analyse/sentiment")
REMEDY = remedy("shadow")

NOTICED_SHARE = 0.1
NOTICED_FAILURES = 0.15
FEWEST_REQUESTS = 400
MOST_REQUESTS = 2_500
CONNECTIONS = 8
"""Few: copies that hang are not waited for by anybody, and what the users' pace piles up has to end."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """What is in force: who serves the users, where the copies go, how either is made to fail."""

    live: str
    mirror: Mirror
    live_odds: FaultRates
    odds: FaultRates
    writes: Mirror


@dataclass(frozen=True, slots=True)
class Trials:
    """What the mirrored version has counted of the copies, by outcome, and what it says of each.

    `records` are the outcomes and polarities by request id; None where they cannot be read. `complete` is
    false if copies were still under way when the counters were read. `others` are requests that others sent
    meanwhile: copies of them arrive, too.
    """

    outcomes: Mapping[str, int]
    records: Mapping[str, Sequence[Mapping[str, Any]]] | None
    complete: bool = True
    others: int = 0

    @property
    def arrived(self) -> int:
        """How many copies came."""
        return sum(self.outcomes.values())


@dataclass(slots=True)
class Comparison:
    """How the mirrored version would have answered the users' requests, joined by request id."""

    joined: int = 0
    again: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    other_polarities: int = 0


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read the mirrors in force, send, wait for the copies, count, compare, judge."""
    resources = bench.resources()
    shadow = read_shadow(resources)
    bench.facts |= facts(shadow)
    plan = plan_for(shadow)
    measurement, trials = _sentences(bench, shadow, plan)
    if trials.records is not None:
        bench.facts["report"] = report(shadow, compared(measurement, trials))
    checks = judged(shadow, plan.count, measurement, trials)
    checks += write_checks(bench, shadow.writes)
    if read_shadow(bench.resources()) != shadow:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return checks


def read_shadow(resources: Resources) -> Shadow:
    """What is in force; raises NotInForce where nothing is mirrored."""
    route = route_in_mesh(resources, SERVICE, CALL, caller="webapp")
    mirror = mirror_of(resources, route, remedy=REMEDY)
    live = shares_in_mesh(resources, SERVICE, CALL, caller="webapp").shares
    if len(live) != 1 or mirror.version in live or mirror.service != SERVICE:
        raise UnsupportedConfig(
            f"{route.where} serves users from {', '.join(live)} and mirrors to {mirror.service} "
            f"{mirror.version}: expected one version of {SERVICE} each, and another one"
        )
    writes = mirror_of(resources, edge_route(resources, Call("POST", FEEDBACK.path)), remedy=REMEDY)
    (version,) = live
    odds = {each: fault_rates_of(resources, SERVICE, each) for each in (version, mirror.version)}
    return Shadow(version, mirror, odds[version], odds[mirror.version], writes)


def plan_for(shadow: Shadow) -> LoadPlan:
    """So many that a share and failures off by what is to be noticed are."""
    share, failing = shadow.mirror.share, shadow.odds.failing
    wanted = [FEWEST_REQUESTS, trials_for(share, NOTICED_SHARE)]
    if 0 < failing < 1:
        wanted.append(trials_to_get(trials_for(failing, NOTICED_FAILURES), share))
    count = min(max(wanted), MOST_REQUESTS)
    return LoadPlan(sentiment_requests(), count, CONNECTIONS, timeout_seconds=15, keep_answers=True)


def _sentences(bench: ProofContext, shadow: Shadow, plan: LoadPlan) -> tuple[Measurement, Trials]:
    """Send the sentences; the users' answers, and what became of the copies."""
    version = shadow.mirror.version

    def outcomes() -> Counter[str]:
        metric = "sentimesh_logic_requests_total"
        names = ("answered", "error", "hang")
        return Counter(
            {name: int(counted(bench.api, SERVICE, version, metric, outcome=name)) for name in names}
        )

    entrance, before = Entrance.of(bench), outcomes()
    measurement = bench.send(plan)
    share = shadow.mirror.share
    enough = before.total() + plan.count if share == 1 else None
    complete = settled(
        lambda: Activity(outcomes().total(), under_way(bench, SERVICE, version)),
        enough=enough,
        within_seconds=SETTLING_SECONDS,
        quiet=quiet_seconds(measurement),
    )
    after = outcomes()
    counts = {name: after[name] - before[name] for name in after}
    records = _records(bench, version, measurement)
    return measurement, Trials(counts, records, complete, entrance.others(bench, measurement))


def _records(
    bench: ProofContext, version: str, measurement: Measurement
) -> dict[str, list[Mapping[str, Any]]] | None:
    """The log's lines about the copies, by request id; None if a log cannot be read."""
    lines = own_lines(bench, SERVICE, [version], measurement)
    if lines is None:
        return None
    found: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        found.setdefault(line["request_id"], []).append(line)
    return found


def compared(measurement: Measurement, trials: Trials) -> Comparison:
    """The users' answers beside those that the mirrored version would have given."""
    comparison = Comparison()
    for one in measurement.observations:
        lines = (trials.records or {}).get(one.request_id or "", ())
        if not lines:
            continue
        comparison.joined += 1
        comparison.again += len(lines) - 1
        comparison.ends[lines[0]["outcome"]] += 1
        if lines[0]["outcome"] == "answered" and one.status == 200:
            comparison.other_polarities += lines[0].get("polarity") != json.loads(one.body)["polarity"]
    return comparison


def judged(shadow: Shadow, planned: int, measurement: Measurement, trials: Trials) -> list[Check]:
    """The users' side, the copies', and the join of both."""
    mirror, live = shadow.mirror, measurement.versions_of(SERVICE)
    failures = measurement.count(lambda one: one.failed and not one.abandoned)
    abandoned = measurement.count(lambda one: one.abandoned)
    expected = shadow.live_odds.failing
    return [
        judge(
            "users see failures",
            f"{percent(expected)} of all requests",
            design(expected, planned),
            Count(failures, len(measurement), abandoned),
        ),
        judge(
            f"users served by {shadow.live}",
            "all requests",
            design(1.0, planned),
            Count(live.get(shadow.live, 0), len(measurement), live.get(None, 0)),
        ),
        *_copies(mirror, shadow.odds, planned, measurement, trials),
        _joined(measurement, trials),
    ]


def _copies(
    mirror: Mirror, odds: FaultRates, planned: int, measurement: Measurement, trials: Trials
) -> list[Check]:
    """How many copies came, and how many of them failed."""
    share, failure = f"copies to {mirror.version}", f"failures of {mirror.version}"
    reason = _why_open(mirror, measurement, trials)
    if reason:
        return [inconclusive(name, "as in force", reason) for name in (share, failure)]
    failing = min(1.0, odds.failing)
    return [
        judge(
            share,
            f"{percent(mirror.share)} of all requests",
            design(mirror.share, planned),
            Count(trials.arrived, len(measurement)),
        ),
        judge(
            failure,
            f"{percent(failing)} of the copies",
            design(failing, surely_at_least(planned, mirror.share)),
            Count(trials.arrived - trials.outcomes["answered"], trials.arrived),
        ),
    ]


def _why_open(mirror: Mirror, measurement: Measurement, trials: Trials) -> str:
    """Why the counters do not say how many copies came and failed; empty if they do."""
    if trials.others:
        return foreign_traffic.reason(trials.others)
    if not trials.complete:
        return f"{mirror.version} was still busy after {SETTLING_SECONDS} s; {BUSY}"
    if trials.arrived > len(measurement):
        reached = f"{trials.arrived:,} requests reached {mirror.version}"
        return f"{reached} for {len(measurement):,} that were sent here; {foreign_traffic.ALONE}"
    return ""


def _joined(measurement: Measurement, trials: Trials) -> Check:
    """Whether each copy carries the id of one request of a user's, and no two the same."""
    name, expected = "copies joined by id", "each copy to one request"
    if trials.records is None:
        return inconclusive(name, expected, "the log of the pods cannot be read through the API")
    comparison = compared(measurement, trials)
    if comparison.again:
        found = f"{comparison.again:,} requests that were copied more than once"
        return exact_check(name, expected, found)
    if 0 < trials.arrived - comparison.joined <= trials.others:
        return inconclusive(name, expected, foreign_traffic.reason(trials.others))
    count = Count(min(comparison.joined, trials.arrived), trials.arrived)
    return judge(name, expected, design(1.0, max(1, trials.arrived)), count)


def facts(shadow: Shadow) -> dict[str, str]:
    """What is in force, for the report."""
    mirror, odds = shadow.mirror, shadow.odds
    noted = {
        "in force": f"{mirror.where}: users on {shadow.live}, {percent(mirror.share)} mirrored to "
        f"{mirror.version}; {shadow.writes.where}: {percent(shadow.writes.share)} mirrored to "
        f"{shadow.writes.service}"
    }
    if odds.failing:
        noted["faults"] = (
            f"of {mirror.version}'s requests {odds.error_percent:g} % fail at once, "
            f"{odds.hang_percent:g} % after {odds.hang_seconds:g} s"
        )
    return noted


def report(shadow: Shadow, comparison: Comparison) -> str:
    """How the mirrored version would have answered, in one sentence."""
    ends = comparison.ends
    return (
        f"of {comparison.joined:,} requests {shadow.mirror.version} would have failed {ends['error']:,} at "
        f"once and {ends['hang']:,} after hanging for {shadow.odds.hang_seconds:g} s, and answered "
        f"{ends['answered']:,}, {comparison.other_polarities:,} of them with another polarity than "
        f"{shadow.live}"
    )


PROOF = Proof(
    scenario="shadow",
    proves="users stay on v1 unharmed while copies of their requests try v2",
    prove=prove,
)
