"""Observations: one record for every request that was sent. Counts, and does not judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from loadgen.http1 import SECOND, Exchange, Loss, field_of
from loadgen.measurement.served_by import HEADER, Hop, hops


@dataclass(frozen=True, slots=True)
class Observation:
    """How one request ended: with a status, or lost without an answer (status None).

    `ended_seconds` is the time since the measurement started. `overloaded` says that a proxy answered
    because a circuit breaker is open (`x-envoy-overloaded`). `number` numbers the requests of the load plan
    in the order of sending, from 0. `head` and `body` are empty unless the load plan keeps answers.
    """

    number: int
    status: int | None
    hops: tuple[Hop, ...]
    latency_seconds: float
    loss: Loss | None = None
    request_id: str | None = None
    overloaded: bool = False
    ended_seconds: float = 0.0
    head: bytes = b""
    body: bytes = b""

    @classmethod
    def of(cls, exchange: Exchange, started: int = 0, *, whole: bool = False) -> Observation:
        """The observation of an exchange; `started` is the client's clock at the start of the measurement."""
        seconds = exchange.latency / SECOND
        ended = (exchange.ended - started) / SECOND
        if exchange.loss is not None:
            return cls(exchange.number, None, (), seconds, exchange.loss, ended_seconds=ended)
        request_id = exchange.field(b"x-request-id")
        return cls(
            exchange.number,
            exchange.status,
            hops(exchange.field(HEADER)),
            seconds,
            request_id=request_id.decode("latin-1") if request_id else None,
            overloaded=exchange.field(b"x-envoy-overloaded") == b"true",
            ended_seconds=ended,
            head=exchange.head if whole else b"",
            body=exchange.body if whole else b"",
        )

    def header(self, name: str) -> str | None:
        """The value of a header field of a kept answer; repeated fields joined by a comma."""
        value = field_of(self.head, name.lower().encode())
        return None if value is None else value.decode("latin-1")

    @property
    def failed(self) -> bool:
        """Whether the status is not 2xx, or there is no answer."""
        return self.status is None or not 200 <= self.status < 300

    @property
    def timed_out(self) -> bool:
        """Whether no answer came within the client's own timeout."""
        return self.loss in {Loss.TIMEOUT, Loss.CONNECT_TIMEOUT}

    @property
    def abandoned(self) -> bool:
        """Whether the measurement was stopped before the answer came; the outcome is unknown."""
        return self.loss is Loss.ABANDONED

    def version_of(self, service: str) -> str | None:
        """The version of a service on the request's way, or None if the answer does not name one."""
        return next((hop.version for hop in self.hops if hop.service == service), None)

    def attempt_of(self, service: str) -> int | None:
        """The number of the attempt that a service answered, or None if the answer does not name one."""
        return next((hop.attempt for hop in self.hops if hop.service == service), None)


@dataclass(slots=True)
class Measurement:
    """All observations of one load plan, in the order in which they ended.

    `planned` is how many requests the plan has. `lateness_seconds` is the 99th percentile of how far behind
    schedule requests were sent; 0 where there is no schedule. `started` is `time.monotonic()` at the start.
    """

    observations: list[Observation] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    lateness_seconds: float = 0.0
    planned: int = 0
    started: float = 0.0

    def __len__(self) -> int:
        return len(self.observations)

    def count(self, holds: Callable[[Observation], bool]) -> int:
        """The number of observations for which a predicate holds."""
        return sum(1 for observation in self.observations if holds(observation))

    @property
    def abandoned(self) -> int:
        """The number of requests that were not waited for."""
        return self.count(lambda observation: observation.abandoned)

    def where(self, holds: Callable[[Observation], bool]) -> list[Observation]:
        """The observations for which a predicate holds."""
        return [observation for observation in self.observations if holds(observation)]

    @property
    def losses(self) -> dict[Loss, int]:
        """The number of requests without an answer, by kind of loss."""
        return dict(Counter(one.loss for one in self.observations if one.loss is not None))

    @property
    def statuses(self) -> dict[int, int]:
        """The number of answers by status, ascending."""
        return dict(
            sorted(Counter(one.status for one in self.observations if one.status is not None).items())
        )

    def versions_of(self, service: str) -> dict[str | None, int]:
        """The number of observations by version of a service; None counts those that name none."""
        return dict(Counter(one.version_of(service) for one in self.observations))
