"""Others who send while a proof runs: what pods count then is not the proof's alone.

webapp counts what came in by the front door. No retry, copy or ejection behind it changes that number: where
it is greater than what the proof has sent, somebody else was sending. What pods count behind webapp is not
held against the mesh as far as those explain it, and not counted in its favour either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loadgen.errors import NotReachable
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.sentiment import PATH
from loadgen.meshstate.metrics import counted
from loadgen.meshstate.pods import logged
from loadgen.proofs.common.proof import ProofContext

ENTRY = "webapp"
ANSWERED_METRIC = "sentimesh_http_requests_total"
ALONE = "try again when nobody else sends"


@dataclass(frozen=True, slots=True)
class Entrance:
    """What webapp had answered at some time; None where its pods cannot be asked."""

    answered: int | None

    @classmethod
    def of(cls, bench: ProofContext) -> Entrance:
        """Now."""
        with suppress(NotReachable):
            return cls(round(counted(bench.api, ENTRY, None, ANSWERED_METRIC, route=PATH)))
        return cls(None)

    def others(self, bench: ProofContext, *sent: Measurement) -> int:
        """How many more it has answered since than were sent in these; 0 where that is not known."""
        now = Entrance.of(bench)
        if self.answered is None or now.answered is None:
            return 0
        return max(0, now.answered - self.answered - sum(map(len, sent)))


def reason(others: int) -> str:
    """Why a count says nothing about the mesh, and what to do; empty without others."""
    return f"others sent requests meanwhile: {others:,} more than this proof; {ALONE}" if others else ""


def own_lines(
    bench: ProofContext, service: str, versions: Iterable[str], measurement: Measurement, *, others: int = 0
) -> list[Mapping[str, Any]] | None:
    """What the pods' logs say about the requests of this tally, no others; None if they are unreadable."""
    asked = {one.request_id for one in measurement.observations if one.request_id is not None}
    newest = 4 * (len(measurement) + others) + 1000
    lines: list[Mapping[str, Any]] = []
    try:
        for version in versions:
            for pod in bench.api.pods(app=service, version=version):
                lines += logged(bench.api, pod, newest=newest)
    except NotReachable:
        return None
    return [line for line in lines if "outcome" in line and line.get("request_id") in asked]
