"""Writes that are mirrored to where they go: each arrives twice, under one request id, and is stored once."""

from __future__ import annotations

import json

from loadgen.http1 import Request
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.meshstate.metrics import counted
from loadgen.meshstate.mirrors import Mirror
from loadgen.proofs.common import foreign_traffic
from loadgen.proofs.common.proof import ProofContext
from loadgen.proofs.common.quiescence import SETTLING_SECONDS, Activity, quiet_seconds, settled, under_way
from loadgen.statistics.binomial import percent
from loadgen.statistics.design import design
from loadgen.statistics.judge import Check, Count, downgrade_to_inconclusive, exact_check, inconclusive, judge

FEEDBACK = Request(
    "POST",
    "/feedback",
    (("content-type", "application/json"),),
    json.dumps({"sentence": "What a wonderful morning!", "polarity": 0.6, "correct": True}).encode(),
)
WRITES = 1_000
_CONNECTIONS = 8


def write_checks(bench: ProofContext, mirror: Mirror) -> list[Check]:
    """Whether every write is stored once, though copies of them come too."""

    def count(**labels: str) -> int:
        metric = "sentimesh_feedback_requests_total"
        return int(counted(bench.api, mirror.service, mirror.version, metric, **labels))

    stored, arrived = count(outcome="stored"), count()
    plan = LoadPlan((FEEDBACK,), WRITES, _CONNECTIONS, timeout_seconds=15, purpose="as feedback")
    measurement = bench.send(plan)
    settled(
        lambda: Activity(count(), under_way(bench, mirror.service, mirror.version)),
        enough=arrived + 2 * WRITES if mirror.share == 1 else None,
        within_seconds=SETTLING_SECONDS,
        quiet=quiet_seconds(measurement),
    )
    copies = count() - arrived - len(measurement)
    stored = count(outcome="stored") - stored
    return judged_writes(mirror, measurement, copies=copies, stored=stored)


def judged_writes(mirror: Mirror, measurement: Measurement, *, copies: int, stored: int) -> list[Check]:
    """The verdicts on `WRITES` writes, their copies and what was stored."""
    name, expected = "copies of feedback", f"{percent(mirror.share)} of all writes"
    failed = measurement.count(lambda one: one.status != 201)
    found = f"{stored:,} stored" + (f", {failed:,} refused or lost" if failed else "")
    once = exact_check("each feedback stored once", f"{WRITES:,} stored", found)
    if not 0 <= copies <= len(measurement):
        reason = f"feedback counted {copies + len(measurement):,} writes for "
        reason += f"{len(measurement):,} that were sent here"
        return [
            inconclusive(name, expected, f"{reason}; {foreign_traffic.ALONE}"),
            downgrade_to_inconclusive(once, _written_by_others(copies=copies, stored=stored)),
        ]
    return [judge(name, expected, design(mirror.share, WRITES), Count(copies, len(measurement))), once]


def _written_by_others(*, copies: int, stored: int) -> str:
    """The reason if what is stored too much may be writes of others; empty if not.

    Of others each write comes with a copy, as here, and is stored once: two arrive for one that is stored.
    A mesh whose copies are stored, too, lets no more arrive than those.
    """
    surplus = stored - WRITES
    return foreign_traffic.reason(surplus) if surplus > 0 and copies - WRITES >= 2 * surplus else ""
