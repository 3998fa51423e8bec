"""What was observed: one record for every request that was issued. Counts, and does not judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from loadgen.http1 import SECOND, Exchange, Loss, field_of
from loadgen.measurement.served_by import HEADER, Hop, hops


@dataclass(frozen=True, slots=True)
class Observation:
    """How one request ended: with a status, or lost without an answer (status None).

    `ended_seconds` counts from the beginning of the measurement; `overloaded` is Envoy's word for an answer
    of its own because a circuit breaker is open. `number` counts the requests of the shipment in the order
    of sending, from 0; `head` and `body` are empty unless the shipment keeps answers.
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
        """What an exchange of the HTTP client says; `started` is when the measurement began, by its clock."""
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
        """Whether the user did not get what was asked for: any status but 2xx, or no answer."""
        return self.status is None or not 200 <= self.status < 300

    @property
    def abandoned(self) -> bool:
        """Whether the measurement was ended before this request was: nobody knows what it would have got."""
        return self.loss is Loss.ABANDONED

    def version_of(self, service: str) -> str | None:
        """Which version of a service took part, or None if the answer does not say."""
        return next((hop.version for hop in self.hops if hop.service == service), None)

    def attempt_of(self, service: str) -> int | None:
        """As which try a service answered, or None if the answer does not say."""
        return next((hop.attempt for hop in self.hops if hop.service == service), None)


@dataclass(slots=True)
class Measurement:
    """All observations of one measurement, in the order in which they ended.

    `late_seconds` is how late this machine was for its own schedule, the latest 1 of 100 requests left out.
    """

    observations: list[Observation] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    late_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.observations)

    def count(self, holds: Callable[[Observation], bool]) -> int:
        """How many observations it holds for."""
        return sum(1 for observation in self.observations if holds(observation))

    @property
    def losses(self) -> dict[Loss, int]:
        """How many requests got no answer, by kind."""
        return dict(Counter(one.loss for one in self.observations if one.loss is not None))

    @property
    def statuses(self) -> dict[int, int]:
        """How many answers had which status, ascending."""
        return dict(
            sorted(Counter(one.status for one in self.observations if one.status is not None).items())
        )

    def versions_of(self, service: str) -> dict[str | None, int]:
        """How many observations name which version of a service; None counts those that name none."""
        return dict(Counter(one.version_of(service) for one in self.observations))
