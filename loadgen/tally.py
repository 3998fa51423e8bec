"""What was observed: one record for every request that was issued. Counts, and does not judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from loadgen.http1 import SECOND, Exchange, Loss
from loadgen.served_by import HEADER, Hop, hops


@dataclass(frozen=True, slots=True)
class Observation:
    """How one request ended: with a status, or lost without an answer (status None)."""

    number: int
    status: int | None
    hops: tuple[Hop, ...]
    latency_seconds: float
    loss: Loss | None = None

    @classmethod
    def of(cls, exchange: Exchange) -> Observation:
        """What an exchange of the HTTP client says."""
        seconds = exchange.latency / SECOND
        if exchange.loss is not None:
            return cls(exchange.number, None, (), seconds, exchange.loss)
        return cls(exchange.number, exchange.status, hops(exchange.field(HEADER)), seconds)

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


@dataclass(slots=True)
class Tally:
    """All observations of one measurement, in the order in which they ended."""

    observations: list[Observation] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

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
