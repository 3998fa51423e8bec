"""When requests are sent: as fast as answers come (closed loop), or on a schedule (open loop).

A closed loop slows down with its target and so hides the effect of a stall on users who keep coming. An open
loop sends on schedule, and the latency of a request that is sent late counts from its scheduled time (no
coordinated omission).
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadgen.http1 import SECOND, Client, Exchange, Limits, Target, clock
from loadgen.measurement.histogram import Histogram

TICK = SECOND // 1000
"""The event loop's timers have a resolution of one millisecond."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is sent, and how much: `count` requests or for `seconds`, whichever ends first.

    With a `rate` (requests per second) the loop is open and uses at most `limits.connections`; without one
    it is closed and always has that many requests in flight.
    """

    requests: tuple[bytes, ...]
    limits: Limits
    count: int | None = None
    seconds: float | None = None
    rate: float | None = None

    @property
    def planned(self) -> int | None:
        """The number of requests, if it is known in advance."""
        if self.rate is None or self.seconds is None:
            return self.count
        scheduled = max(1, math.floor(self.rate * self.seconds))
        return scheduled if self.count is None else min(self.count, scheduled)


class Sender(ABC):
    """Sends traffic once: `await run()`; `stop()` ends it early.

    `ended` is called once for every request, answered or lost.
    """

    def __init__(
        self,
        traffic: Traffic,
        target: Target,
        ended: Callable[[Exchange], None],
        *,
        keep_bodies: bool = False,
    ) -> None:
        self.issued = 0
        self.lateness = Histogram()
        self.stopped = False
        self._traffic = traffic
        self._requests = traffic.requests
        self._most = math.inf if traffic.planned is None else traffic.planned
        self._ended = ended
        self._in_flight = 0
        self._error: BaseException | None = None
        self._over = asyncio.Event()
        self._client = Client(target, traffic.limits, self._exchange_ended, keep_bodies=keep_bodies)

    async def run(self) -> None:
        """Send everything and return when the last request has ended."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._callback_failed)
        self._begin()
        try:
            await self._over.wait()
        finally:
            self._most = self.issued
            await self._client.close()
            loop.set_exception_handler(None)
        if self._error is not None:
            raise self._error

    def _callback_failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep the error of a callback: the event loop would only log it, and its request would never end."""
        self._error = context.get("exception") or RuntimeError(context["message"])
        self._over.set()

    def stop(self) -> None:
        """Send nothing more and do not wait for requests in flight; they count as abandoned."""
        self.stopped = True
        self._most = self.issued
        self._over.set()

    def enough(self) -> None:
        """Send nothing more, but wait for requests in flight."""
        self._issue_no_more()

    @abstractmethod
    def _begin(self) -> None:
        """Send the first request, or requests."""

    @abstractmethod
    def _after(self, exchange: Exchange) -> None:
        """Continue after an exchange has ended."""

    def _issue(self, intended: int) -> None:
        number = self.issued
        self.issued += 1
        self._in_flight += 1
        self._client.send(Exchange(self._requests[number % len(self._requests)], intended, number))

    def _issue_no_more(self) -> None:
        self._most = self.issued
        if not self._in_flight:
            self._over.set()

    def _exchange_ended(self, exchange: Exchange) -> None:
        self._in_flight -= 1
        self._ended(exchange)
        self._after(exchange)
        if not self._in_flight and self.issued >= self._most:
            self._over.set()


class ClosedLoop(Sender):
    """Keeps as many requests in flight as there are connections; each answer makes room for the next."""

    def _begin(self) -> None:
        if self._traffic.seconds is not None:
            asyncio.get_running_loop().call_later(self._traffic.seconds, self._issue_no_more)
        now = clock()
        for _ in range(int(min(self._traffic.limits.connections, self._most))):
            self._issue(now)

    def _after(self, exchange: Exchange) -> None:
        if self.issued < self._most:
            self._issue(exchange.ended)


class OpenLoop(Sender):
    """Sends requests at equal intervals, however long the answers take.

    Timers are coarse, so a request may be sent up to one TICK early; its latency then counts from when it
    was sent. That of a late request counts from its scheduled time. `lateness` is the histogram of the
    delays (in nanoseconds), so that delays of the sender can be distinguished from those of the target.
    """

    def _begin(self) -> None:
        self._started = clock()
        self._interval = SECOND / (self._traffic.rate or math.nan)
        self._tick()

    def _tick(self) -> None:
        now = clock()
        due = self._due()
        while due <= now + TICK and self.issued < self._most:
            self.lateness.record(max(0, now - due))
            self._issue(min(due, now))
            due = self._due()
        if self.issued < self._most:
            wait = max(TICK, due - now - TICK)
            asyncio.get_running_loop().call_later(wait / SECOND, self._tick)
        else:
            self._issue_no_more()

    def _due(self) -> int:
        return self._started + int(self.issued * self._interval)

    def _after(self, exchange: Exchange) -> None:
        """Do nothing: the schedule continues by itself."""


def sender(
    traffic: Traffic, target: Target, ended: Callable[[Exchange], None], *, keep_bodies: bool = False
) -> Sender:
    """The sender for the traffic; needs a running event loop."""
    kind = ClosedLoop if traffic.rate is None else OpenLoop
    return kind(traffic, target, ended, keep_bodies=keep_bodies)
