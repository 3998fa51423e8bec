"""When requests are sent: as fast as answers come (closed loop), or at a rate whatever happens (open loop).

A closed loop slows down with its target and so hides how bad a stall is for users who keep coming. An
open loop sends on schedule; what could not be sent in time because the target stood still is counted
from when it was meant to go (no coordinated omission).
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
    """What is sent, and how much of it: `count` requests or for `seconds`, whichever ends first.

    With a `rate` (requests per second) the loop is open and `limits.connections` is the most it opens;
    without one the loop is closed and always has that many requests under way.
    """

    requests: tuple[bytes, ...]
    limits: Limits
    count: int | None = None
    seconds: float | None = None
    rate: float | None = None

    @property
    def planned(self) -> int | None:
        """How many requests will be sent, if that is known beforehand."""
        if self.rate is None or self.seconds is None:
            return self.count
        scheduled = max(1, math.floor(self.rate * self.seconds))
        return scheduled if self.count is None else min(self.count, scheduled)


class Sender(ABC):
    """Sends traffic once: `await run()`; `stop()` ends it early.

    Every request that was issued comes back through `ended` once, answered or lost.
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
        self._client = Client(target, traffic.limits, self._came_back, keep_bodies=keep_bodies)

    async def run(self) -> None:
        """Send it all and return when the last answer is there, or given up."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        self._begin()
        try:
            await self._over.wait()
        finally:
            self._most = self.issued
            await self._client.close()
            loop.set_exception_handler(None)
        if self._error is not None:
            raise self._error

    def _broken(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Left to the loop, an error in a callback would be logged, and its request never come back."""
        self._error = context.get("exception") or RuntimeError(context["message"])
        self._over.set()

    def stop(self) -> None:
        """Send no more and do not wait for what is under way; it counts as abandoned."""
        self.stopped = True
        self._most = self.issued
        self._over.set()

    def enough(self) -> None:
        """Send no more, but wait for what is under way."""
        self._issue_no_more()

    @abstractmethod
    def _begin(self) -> None:
        """Send the first request, or requests."""

    @abstractmethod
    def _after(self, exchange: Exchange) -> None:
        """Go on after an exchange has ended."""

    def _issue(self, intended: int) -> None:
        number = self.issued
        self.issued += 1
        self._in_flight += 1
        self._client.send(Exchange(self._requests[number % len(self._requests)], intended, number))

    def _issue_no_more(self) -> None:
        self._most = self.issued
        if not self._in_flight:
            self._over.set()

    def _came_back(self, exchange: Exchange) -> None:
        self._in_flight -= 1
        self._ended(exchange)
        self._after(exchange)
        if not self._in_flight and self.issued >= self._most:
            self._over.set()


class ClosedLoop(Sender):
    """As many requests under way as there are connections; each answer makes room for the next request."""

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
    """Requests on a schedule of equal distances, however long the answers take.

    Because timers are coarse, a request may go up to one TICK before its time; it then counts from when
    it really went. One that goes late counts from its time. `lateness` says how late (in nanoseconds):
    what the machine that sends could not do is not blamed on the target unseen.
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
        """Nothing: the schedule goes on by itself."""


def sender(
    traffic: Traffic, target: Target, ended: Callable[[Exchange], None], *, keep_bodies: bool = False
) -> Sender:
    """The loop that the traffic asks for; needs a running event loop."""
    kind = ClosedLoop if traffic.rate is None else OpenLoop
    return kind(traffic, target, ended, keep_bodies=keep_bodies)
