"""Requests that others send while a proof runs: pods count and log them, too.

webapp counts the requests that the gateway sends it. No retry, mirror or ejection behind it changes that
number: if it exceeds the number that the proof has sent, others were sending. Counts of the pods behind
webapp are then judged only as far as the request ids in their logs single out the proof's own requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loadgen.errors import NotReachable
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.sentiment import PATH
from loadgen.meshstate import MeshApi
from loadgen.meshstate.pods import logged, metric_sum

ENTRY = "webapp"
ANSWERED_METRIC = "sentimesh_http_requests_total"


@dataclass(frozen=True, slots=True)
class EntryCounter:
    """How many sentences webapp had answered at one time; None where its pods cannot be read."""

    api: MeshApi
    answered: int | None

    @classmethod
    def read(cls, api: MeshApi) -> EntryCounter:
        """The current count."""
        with suppress(NotReachable):
            return cls(api, round(metric_sum(api, ENTRY, None, ANSWERED_METRIC, route=PATH)))
        return cls(api, None)

    def foreign_requests(self, *sent: Measurement) -> int:
        """How many more it has answered since than these measurements sent; 0 where that is not known."""
        now = EntryCounter.read(self.api)
        if self.answered is None or now.answered is None:
            return 0
        return max(0, now.answered - self.answered - sum(map(len, sent)))


def own_log_lines(
    api: MeshApi, service: str, versions: Iterable[str], measurement: Measurement, *, foreign: int = 0
) -> list[Mapping[str, Any]] | None:
    """The pods' log lines on outcomes of this measurement's requests; None if a log cannot be read."""
    request_ids = {one.request_id for one in measurement.observations if one.request_id is not None}
    newest = 4 * (len(measurement) + foreign) + 1000
    lines: list[Mapping[str, Any]] = []
    try:
        for version in versions:
            for pod in api.pods(app=service, version=version):
                lines += logged(api, pod, newest=newest)
    except NotReachable:
        return None
    return [line for line in lines if "outcome" in line and line.get("request_id") in request_ids]
