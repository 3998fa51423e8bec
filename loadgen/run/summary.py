"""The result of a run as plain data: for the JSON file and for the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadgen.errors import NotAllGood, NotReachable
from loadgen.http1 import Request, Target
from loadgen.measurement.histogram import RELATIVE_ERROR, Histogram
from loadgen.measurement.pacing import Sender, Traffic
from loadgen.run.recorder import Recorder

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


def pace(traffic: Traffic) -> str:
    """How the traffic is sent, for people."""
    connections = traffic.limits.connections
    if traffic.rate is None:
        return f"{connections:,} at once, as fast as answers come (closed loop)"
    return f"{traffic.rate:,g} requests/s on schedule (open loop), at most {connections:,} connections"


@dataclass(frozen=True, slots=True)
class Summary:
    """One finished run."""

    target: Target
    request: Request
    traffic: Traffic
    recorder: Recorder
    lateness: Histogram
    issued: int
    seconds: float
    interrupted: bool

    @classmethod
    def of(
        cls,
        target: Target,
        request: Request,
        traffic: Traffic,
        recorder: Recorder,
        sender: Sender,
        *,
        seconds: float,
    ) -> Summary:
        """The summary of a run whose sender has finished."""
        return cls(
            target=target,
            request=request,
            traffic=traffic,
            recorder=recorder,
            lateness=sender.lateness,
            issued=sender.issued,
            seconds=seconds,
            interrupted=sender.stopped,
        )

    def check_answered(self) -> None:
        """Raise NotReachable if no request was answered: nothing was measured."""
        if not self.recorder.answered:
            kinds = ", ".join(
                f"{loss.meaning} ({count:,})" for loss, count in sorted(self.recorder.losses.items())
            )
            raise NotReachable(f"{self.target.url} answered none of {self.issued:,} requests: {kinds}")

    def check_all_good(self) -> None:
        """Raise NotAllGood unless every request was answered with a status below 400."""
        good = self.recorder.good
        if good < self.issued:
            raise NotAllGood(
                f"{self.target.url} answered {good:,} of {self.issued:,} requests with a status below 400"
            )

    def document(self) -> dict[str, Any]:
        """The JSON document described by `summary.schema.json`; times in milliseconds, None without data."""
        recorder = self.recorder
        return {
            "report": "loadgen run",
            "version": 1,
            "target": self.target.url,
            "method": self.request.method,
            "path": self.request.path,
            "loop": "closed" if self.traffic.rate is None else "open",
            "rate": self.traffic.rate,
            "connections": self.traffic.limits.connections,
            "ended": "interrupted" if self.interrupted else "done",
            "seconds": round(self.seconds, 6),
            "requests": {
                "planned": self.traffic.planned,
                "issued": self.issued,
                "answered": recorder.answered,
                "good": recorder.good,
                "lost": sum(recorder.losses.values()),
            },
            "statuses": {str(status): count for status, count in sorted(recorder.statuses.items())},
            "losses": {str(loss): count for loss, count in sorted(recorder.losses.items())},
            "versions": recorder.versions(),
            "latency_ms": _milliseconds(recorder.latency),
            "lateness_ms": None if self.traffic.rate is None else _milliseconds(self.lateness),
            "relative_error": RELATIVE_ERROR,
        }


def _milliseconds(values: Histogram) -> dict[str, float | int | None]:
    percentiles = {f"p{percent:g}": values.percentile(percent) for percent in PERCENTILES}
    named = {"min": values.least if values.count else None, "mean": values.mean, **percentiles}
    named["max"] = values.percentile(100)
    return {"count": values.count} | {
        name: None if value is None else round(value / 1e6, 6) for name, value in named.items()
    }
