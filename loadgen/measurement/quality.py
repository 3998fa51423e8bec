"""The quality of a measurement: whether its times say something about the mesh, and its counts only of it.

Counts are never corrected. Where the quality does not hold, the checks that it affects are INCONCLUSIVE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement, Observation

LATENESS_PART = 1 / 2
"""The bound of lateness as a part of the bound for control answers.

Latency counts from the scheduled time, so the sender's lateness is part of it: with this bound 99 of 100
requests leave at least half of what is tolerated to the mesh. On two cores the 99th percentile of lateness
was 3 to 35 ms at a load of 10, 66 ms during a flood beside other tests, and up to 250 ms at a load of 17.
"""
CONTROL_BOUND_SECONDS = 0.25
"""The default for the longest time within which 99 % of the control answers must come.

Half of the shortest deadline in any overlay (0.5 s, retry), see `half_of`; a check that measures against a
longer time sets its own bound. On two cores at a load of 10 the 99th percentile was 53 to 430 ms.
"""


def half_of(deadline_seconds: float) -> float:
    """The bound for control answers that belongs to a deadline, in seconds.

    A stall of the machine that is as long as the deadline D delays the requests that arrive during it by 0
    to D, evenly. At r control requests a second it leaves r D/2 answers later than D/2: 30 of 1,000 where
    D is 0.5 s and r 120. So where at most 1 in 100 control answers takes longer than D/2, no stall has made
    a request miss the deadline.
    """
    return deadline_seconds / 2


@dataclass(frozen=True, slots=True)
class Quality:
    """The 99th percentiles of how late requests were sent and of the latency of control answers.

    Control answers are those that nothing configured delays; `control_seconds` is None without any.
    `foreign_requests` is how many requests others sent meanwhile.
    """

    lateness_seconds: float = 0.0
    control_seconds: float | None = None
    control_bound_seconds: float = CONTROL_BOUND_SECONDS
    foreign_requests: int = 0

    @property
    def lateness_bound_seconds(self) -> float:
        """The most by which 99 % of the requests may be sent behind schedule."""
        return LATENESS_PART * self.control_bound_seconds

    @property
    def busy(self) -> str:
        """Why times say nothing about the mesh; empty if they do."""
        if self.lateness_seconds > self.lateness_bound_seconds:
            return (
                f"1 in 100 requests was sent more than {milliseconds(self.lateness_seconds)} late, "
                f"the bound is {milliseconds(self.lateness_bound_seconds)}"
            )
        if self.control_seconds is not None and self.control_seconds > self.control_bound_seconds:
            return (
                f"1 in 100 answers that nothing delays took more than {milliseconds(self.control_seconds)}, "
                f"the bound is {milliseconds(self.control_bound_seconds)}"
            )
        return ""

    @property
    def foreign(self) -> str:
        """Why counts of the pods are not those of the proof alone; empty if they are."""
        if not self.foreign_requests:
            return ""
        return f"others sent {self.foreign_requests:,} requests meanwhile"

    def __str__(self) -> str:
        """The figures and their bounds, for the report."""
        figures = []
        if self.lateness_seconds:
            bound = milliseconds(self.lateness_bound_seconds)
            figures.append(f"{milliseconds(self.lateness_seconds)} behind schedule (bound {bound})")
        if self.control_seconds is not None:
            bound = milliseconds(self.control_bound_seconds)
            figures.append(f"control answers {milliseconds(self.control_seconds)} (bound {bound})")
        parts = [f"99th percentiles: {', '.join(figures)}"] if figures else []
        if self.foreign_requests or not figures:
            parts.append(f"{self.foreign_requests or 'no'} foreign requests")
        return "; ".join(parts)


def quality_of(
    *measurements: Measurement,
    control: Callable[[Observation], bool],
    bound_seconds: float = CONTROL_BOUND_SECONDS,
    foreign_requests: int = 0,
) -> Quality:
    """The quality of measurements made one after the other; `control` selects the control answers."""
    times = [
        one.latency_seconds
        for measurement in measurements
        for one in measurement.observations
        if not one.abandoned and control(one)
    ]
    return Quality(
        max((measurement.lateness_seconds for measurement in measurements), default=0.0),
        percentile_99(times),
        bound_seconds,
        foreign_requests,
    )


def percentile_99(values: Iterable[float]) -> float | None:
    """The smallest of the values that at least 99 % of them do not exceed; None without any."""
    ascending = sorted(values)
    return ascending[math.ceil(0.99 * len(ascending)) - 1] if ascending else None


def milliseconds(seconds: float) -> str:
    """A time for display.

    >>> milliseconds(0.0123), milliseconds(1.5), milliseconds(0.25)
    ('12.3 ms', '1,500 ms', '250 ms')
    """
    value = f"{seconds * 1000:,.1f}"
    return f"{value.removesuffix('.0')} ms"
