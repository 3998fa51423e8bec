"""What a run records of its exchanges: counts and a latency histogram, of constant size."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from loadgen.http1 import Exchange, Loss
from loadgen.measurement.histogram import Histogram
from loadgen.measurement.served_by import HEADER, hops

MOST_DISTINCT = 1_000
"""How many different `served-by` values are counted separately; pods and attempts make only a few."""
WINDOW_SECONDS = 5.0
"""How far the recent counts reach back: 250 requests at the default rate."""


@dataclass(slots=True, eq=False)
class Counts:
    """The number of exchanges by how they ended; copied, as the live view reads it from another thread."""

    answered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    losses: dict[Loss, int] = field(default_factory=dict)
    served_by: dict[bytes | None, int] = field(default_factory=dict)

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
        versions: Counter[str] = Counter()
        for value, count in dict(self.served_by).items():
            for service, version in {(hop.service, hop.version) for hop in hops(value)}:
                versions[f"{service} {version}"] += count
        return dict(sorted(versions.items()))

    def copy(self) -> Counts:
        """The counts at this moment."""
        return Counts(self.answered, dict(self.statuses), dict(self.losses), dict(self.served_by))

    def since(self, earlier: Counts) -> Counts:
        """What was added after an earlier copy."""
        return Counts(
            self.answered - earlier.answered,
            dict(Counter(self.statuses) - Counter(earlier.statuses)),
            dict(Counter(self.losses) - Counter(earlier.losses)),
            dict(Counter(self.served_by) - Counter(earlier.served_by)),
        )


@dataclass(slots=True, eq=False)
class Recorder(Counts):
    """Counts of one run; `latency` holds nanoseconds from the intended send time.

    The histogram holds answers of every status, and requests that timed out with the time they waited:
    without those, the tail would look better the worse the target is. Other losses are only counted.
    """

    latency: Histogram = field(default_factory=Histogram)

    def ended(self, exchange: Exchange) -> None:
        """Record one exchange."""
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


@dataclass(slots=True, eq=False)
class Window:
    """The counts of the last seconds, the difference of copies taken regularly.

    So it adds nothing to the cost of recording an exchange.
    """

    recorder: Recorder
    seconds: float = 0.0
    """How far `counts` reach back."""
    counts: Counts = field(default_factory=Counts)
    _copies: deque[tuple[float, Counts]] = field(default_factory=lambda: deque([(0.0, Counts())]))

    def update(self, now: float) -> None:
        """Move the window to `now`, in seconds since the run started."""
        copy = self.recorder.copy()
        self._copies.append((now, copy))
        while len(self._copies) > 1 and self._copies[1][0] <= now - WINDOW_SECONDS:
            self._copies.popleft()
        start, earlier = self._copies[0]
        self.seconds, self.counts = now - start, copy.since(earlier)
