"""What a run keeps of each exchange: counts and two histograms, however long the run is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from loadgen.http1 import Exchange, Loss
from loadgen.measurement.histogram import Histogram
from loadgen.measurement.served_by import HEADER, hops

MOST_DISTINCT = 1_000
"""So many different `served-by` values are told apart; pods and attempts make only a few."""


@dataclass(slots=True, eq=False)
class Recorder:
    """Counts of one run; `latency` holds nanoseconds from the intended send time.

    The histogram holds answers of every status, and requests that timed out with the time they waited:
    without those the tail would look better the worse the target is. Other losses are only counted.
    """

    answered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    losses: dict[Loss, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    served_by: dict[bytes | None, int] = field(default_factory=dict)

    def ended(self, exchange: Exchange) -> None:
        """Take one exchange into account."""
        if exchange.loss is not None:
            self._lost(exchange, exchange.loss)
            return
        self.answered += 1
        self.latency.record(exchange.ended - exchange.intended)
        self.statuses[exchange.status] = self.statuses.get(exchange.status, 0) + 1
        value = exchange.field(HEADER)
        if value in self.served_by:
            self.served_by[value] += 1
        elif len(self.served_by) < MOST_DISTINCT:
            self.served_by[value] = 1

    def _lost(self, exchange: Exchange, loss: Loss) -> None:
        self.losses[loss] = self.losses.get(loss, 0) + 1
        if loss is Loss.TIMEOUT:
            self.latency.record(exchange.latency)

    @property
    def good(self) -> int:
        """Answers that are neither client nor server errors (status below 400)."""
        return sum(count for status, count in dict(self.statuses).items() if status < 400)

    @property
    def ended_count(self) -> int:
        """All exchanges that have ended, answered or lost."""
        return self.answered + sum(dict(self.losses).values())

    def versions(self) -> dict[str, int]:
        """How many answers each "service version" took part in, by name; empty if no answer says."""
        found: Counter[str] = Counter()
        for value, count in dict(self.served_by).items():
            for hop in {(hop.service, hop.version) for hop in hops(value)}:
                found[" ".join(hop)] += count
        return dict(sorted(found.items()))
