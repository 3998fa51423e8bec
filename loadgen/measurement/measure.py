"""Sends the requests of a load plan and records how each one ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from loadgen.http1 import SECOND, Exchange, Limits, Request, Target, clock
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.pacing import Traffic, sender
from loadgen.measurement.signals import stopped_by_signals


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The requests of one measurement: `count` of them, in rotation, at most `connections` at once.

    With a `rate` (requests per second) they are sent on schedule, however long the answers take. Sending
    stops when `until` holds for an observation. `purpose` distinguishes the measurements of one proof. With
    `keep_answers` observations hold the head and body of the answer.
    """

    requests: tuple[Request, ...]
    count: int
    connections: int
    timeout_seconds: float
    rate: float | None = None
    purpose: str = ""
    keep_answers: bool = False
    until: Callable[[Observation], bool] | None = None

    def parts(self) -> dict[tuple[str, str], int]:
        """The number of requests by method and path, in the order in which each is sent first."""
        counts: Counter[tuple[str, str]] = Counter()
        rounds, rest = divmod(self.count, len(self.requests))
        for position, request in enumerate(self.requests):
            counts[request.method, request.path] += rounds + (position < rest)
        return {part: count for part, count in counts.items() if count}

    def described(self, target: Target, seconds: float | None = None) -> str:
        """The plan in one phrase, with the time that it took if that is known."""
        (method, path), *others = parts = self.parts()
        what = f"requests to {target.url}" if others else f"× {method} {target.url}{path}"
        most = "" if self.until is None else "at most "
        paced = "" if self.rate is None else f", {self.rate:.0f} a second"
        took = "" if seconds is None else f", {seconds:.1f} s"
        phrase = f"{most}{self.count:,} {what}{paced}, {self.connections} at once{took}"
        if not others:
            return phrase
        counts = (f"{count:,} × {method} {path}" for (method, path), count in parts.items())
        return f"{phrase}: {', '.join(counts)}"


def measure(load_plan: LoadPlan, target: Target, progress: Callable[[int], None]) -> Measurement:
    """Send the whole plan and return when the last request has ended, or early after Ctrl-C.

    `progress` is called with the number of ended requests each time that one has ended.
    """
    import uvloop

    return uvloop.run(_measure(load_plan, target, progress))


async def _measure(load_plan: LoadPlan, target: Target, progress: Callable[[int], None]) -> Measurement:
    measurement = Measurement(planned=load_plan.count, started=time.monotonic())
    started = clock()

    def ended(exchange: Exchange) -> None:
        observation = Observation.of(exchange, started, whole=load_plan.keep_answers)
        measurement.observations.append(observation)
        if not observation.abandoned:  # what was cut off triggers nothing
            progress(len(measurement))
        if load_plan.until is not None and load_plan.until(observation):
            sending.enough()

    traffic = Traffic(
        tuple(request.encode(target) for request in load_plan.requests),
        Limits(load_plan.connections, request_seconds=load_plan.timeout_seconds),
        count=load_plan.count,
        rate=load_plan.rate,
    )
    sending = sender(traffic, target, ended, keep_bodies=load_plan.keep_answers)
    started, measurement.started = clock(), time.monotonic()
    with stopped_by_signals(sending):
        await sending.run()
    measurement.seconds = (clock() - started) / SECOND
    measurement.interrupted = sending.stopped
    measurement.lateness_seconds = (sending.lateness.percentile(99) or 0) / SECOND
    return measurement
