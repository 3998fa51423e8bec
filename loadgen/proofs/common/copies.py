"""Copies of requests that the mesh sends itself: wait until they have arrived, and check mirrored writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.meshstate.pods import IN_FLIGHT_METRIC, metric_sum
from loadgen.meshstate.traffic_policy import Mirror
from loadgen.proofs.common.proof import ProofContext
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design
from loadgen.statistics.judge import (
    Cause,
    Check,
    Count,
    Verdict,
    as_inconclusive,
    exact_check,
    inconclusive,
    judge,
)

SETTLING_SECONDS = 30
PAUSE_SECONDS = 0.1
QUIET_SECONDS = 1.0
QUIET_ANSWERS = 4
FEEDBACK = Request(
    "POST",
    "/feedback",
    (("content-type", "application/json"),),
    json.dumps({"sentence": "What a wonderful morning!", "polarity": 0.6, "correct": True}).encode(),
)
WRITES = 1_000
_CONNECTIONS = 8
_WRITES_METRIC = "sentimesh_feedback_requests_total"


@dataclass(frozen=True, slots=True)
class Activity:
    """How many requests pods have received so far, and how many of them are in flight."""

    arrived: float
    in_flight: float


def in_flight(context: ProofContext, service: str, version: str) -> float:
    """How many requests the pods of a version are working on."""
    return metric_sum(context.api, service, version, IN_FLIGHT_METRIC)


def quiet_seconds(measurement: Measurement) -> float:
    """How long nothing must arrive for nothing to be under way: longer where answers took longer."""
    slowest = max((one.latency_seconds for one in measurement.observations), default=0.0)
    return max(QUIET_SECONDS, QUIET_ANSWERS * slowest)


def settled(
    read: Callable[[], Activity],
    *,
    enough: float | None,
    within_seconds: float,
    quiet: float = QUIET_SECONDS,
) -> bool:
    """Wait until all copies have arrived and ended; False if they have not `within_seconds`.

    They have when nothing is in flight and either `enough` have arrived or no more have for `quiet`
    seconds: a copy waits for a pod only while the pod is busy.
    """
    end = time.monotonic() + within_seconds
    last = read()
    since = time.monotonic()
    while True:
        complete = enough is not None and last.arrived >= enough
        if not last.in_flight and (complete or time.monotonic() - since >= quiet):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(PAUSE_SECONDS)
        now = read()
        if now != last:
            last, since = now, time.monotonic()


@dataclass(frozen=True, slots=True)
class Writes:
    """The answers to writes, how many copies of them arrived, and how many writes were stored."""

    measurement: Measurement
    copies: int
    stored: int


def send_writes(context: ProofContext, mirror: Mirror) -> Writes:
    """Send writes to a mirrored route and read what became of them."""

    def count(**labels: str) -> int:
        return int(metric_sum(context.api, mirror.service, mirror.version, _WRITES_METRIC, **labels))

    stored, arrived = count(outcome="stored"), count()
    plan = LoadPlan((FEEDBACK,), WRITES, _CONNECTIONS, timeout_seconds=15, purpose="as feedback")
    measurement = context.send(plan)
    settled(
        lambda: Activity(count(), in_flight(context, mirror.service, mirror.version)),
        enough=arrived + 2 * measurement.planned if mirror.share == 1 else None,
        within_seconds=SETTLING_SECONDS,
        quiet=quiet_seconds(measurement),
    )
    copies = count() - arrived - len(measurement)
    return Writes(measurement, copies, count(outcome="stored") - stored)


def write_checks(mirror: Mirror, writes: Writes) -> list[Check]:
    """Whether as many copies arrived as configured, and every write was stored once."""
    measurement, copies, stored = writes.measurement, writes.copies, writes.stored
    planned = measurement.planned
    name, expected = "copies of feedback", f"{percent(mirror.share)} of all writes"
    refused = measurement.count(lambda one: one.status != 201)
    observed = f"{stored:,} stored" + (f", {refused:,} refused or lost" if refused else "")
    once = exact_check("each feedback stored once", f"{planned:,} stored", observed)
    if 0 <= copies <= len(measurement):
        plan = design(mirror.share, planned)
        return [judge(name, expected, plan, Count(copies, len(measurement))), once]
    reason = f"feedback counted {copies + len(measurement):,} writes for {len(measurement):,} that were sent"
    if once.verdict is Verdict.FAIL and _explained_by_others(writes):
        once = as_inconclusive(once, Cause.FOREIGN_TRAFFIC, f"others wrote {stored - planned:,} meanwhile")
    return [inconclusive(name, expected, Cause.FOREIGN_TRAFFIC, reason), once]


def _explained_by_others(writes: Writes) -> bool:
    """Whether the surplus of stored writes may be writes of others.

    Each of those is copied, too, and stored once: two arrive for one that is stored. In a mesh whose copies
    are stored, no more arrive than are stored.
    """
    planned = writes.measurement.planned
    surplus = writes.stored - planned
    return surplus > 0 and writes.copies - planned >= 2 * surplus
