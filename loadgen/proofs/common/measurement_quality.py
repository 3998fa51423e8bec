"""Whether the machine was calm: what a busy one makes late is not held against the mesh.

Two things tell. One is loadgen's own schedule, which nothing but the machine delays. The other are answers
that nothing in force delays: where those take long, too, others may have been slow for the same reason. A
mesh that is wrong in its times alone, on a busy machine, so is INCONCLUSIVE and not FAIL; never PASS.
"""

from __future__ import annotations

from collections.abc import Callable

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.statistics.judge import BUSY

LATE_SECONDS = 0.05
"""Where this machine sent one request in a hundred so late or later, slow answers may be its own doing."""
SLOW_SECONDS = 0.25
"""An answer that nothing delays takes milliseconds."""
STALL_RATIO = 3
"""Up to so many requests may have been slow for every one that surely was slow because of the machine."""


def timed_out(one: Observation) -> bool:
    """Whether it had no answer in time, maybe because no connection was free to send it."""
    return one.loss in {Loss.TIMEOUT, Loss.CONNECT_TIMEOUT}


def late_sending(measurement: Measurement) -> str:
    """Why the times of this measurement say little, if this machine could not send in time; else empty."""
    if measurement.late_seconds <= LATE_SECONDS:
        return ""
    late = f"this machine sent 1 of 100 requests more than {measurement.late_seconds * 1000:.0f} ms late"
    return f"{late}; {BUSY}"


def busy(measurement: Measurement, quick: Callable[[Observation], bool]) -> str:
    """Why the times of this measurement say little; empty if they do.

    `quick` picks the answers that nothing in force delays.
    """
    late = late_sending(measurement)
    if late:
        return late
    times = [one.latency_seconds for one in measurement.observations if quick(one)]
    slow = sum(each > SLOW_SECONDS for each in times)
    if not slow or 100 * slow < len(times):
        return ""
    found = f"{slow:,} of {len(times):,} answers that nothing delays took over {SLOW_SECONDS * 1000:g} ms"
    return f"{found}; {BUSY}"
