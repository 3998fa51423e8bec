"""Sends what a proof planned, every request of it, and records how each one ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadgen.http1 import SECOND, Exchange, Limits, Request, Target, clock
from loadgen.pacing import ClosedLoop, Sender, Traffic
from loadgen.tally import Observation, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Shipment:
    """The requests of one measurement: `count` of them, in rotation, at most `connections` under way."""

    requests: tuple[Request, ...]
    count: int
    connections: int
    timeout_seconds: float

    def described(self, target: Target) -> str:
        """What is sent, in one phrase."""
        first = self.requests[0]
        what = f"{self.count:,} × {first.method} {target.url}{first.path}"
        return f"{what}, {self.connections} at once"


def measure(shipment: Shipment, target: Target, progress: Callable[[int], None]) -> Tally:
    """The tally of the whole shipment, once the last request has ended; Ctrl-C ends it early.

    `progress` is told how many have ended, each time one has.
    """
    import uvloop

    return uvloop.run(_measure(shipment, target, progress))


async def _measure(shipment: Shipment, target: Target, progress: Callable[[int], None]) -> Tally:
    tally = Tally()

    def ended(exchange: Exchange) -> None:
        tally.observations.append(Observation.of(exchange))
        progress(len(tally))

    traffic = Traffic(
        tuple(request.encode(target) for request in shipment.requests),
        Limits(shipment.connections, request_seconds=shipment.timeout_seconds),
        count=shipment.count,
    )
    sender = ClosedLoop(traffic, target, ended)
    started = clock()
    with stopped_by_signals(sender):
        await sender.run()
    tally.seconds = (clock() - started) / SECOND
    tally.interrupted = sender.stopped
    return tally


@contextmanager
def stopped_by_signals(sender: Sender) -> Iterator[None]:
    """Let Ctrl-C (and SIGTERM) end the sending, not the program: what was measured so far is reported."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, sender.stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
