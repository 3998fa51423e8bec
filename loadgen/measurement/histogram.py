"""A histogram of non-negative integers whose error is relative: as exact for microseconds as for minutes.

Buckets are log-linear, the idea of Gil Tene's HdrHistogram: values below 256 have a bucket each; every
further octave [2^k, 2^(k+1)) has 128 buckets of equal width. So the width of a bucket is at most 1/128 of
any value in it, and its middle is off by at most **1/256 (0.4 %) of the value**. Count, sum, minimum and
maximum are exact. Recording takes a few integer operations and needs no upper bound in advance: the list of
counts grows with the maximum (about 4,000 entries for 100 seconds in nanoseconds).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

RELATIVE_ERROR = 1 / 256

_PRECISION_BITS = 8
_PER_OCTAVE = 1 << (_PRECISION_BITS - 1)


@dataclass(slots=True, eq=False)
class Histogram:
    """Counts of recorded values; the unit is the caller's."""

    count: int = 0
    total: int = 0
    least: int = 0
    greatest: int = 0
    _counts: list[int] = field(default_factory=lambda: [0] * (2 * _PER_OCTAVE), repr=False)

    def record(self, value: int) -> None:
        """Add one value; a negative one raises ValueError."""
        if value < 0:
            raise ValueError(f"a histogram holds values from 0 up, not {value}")
        shift = value.bit_length() - _PRECISION_BITS
        index = value if shift <= 0 else shift * _PER_OCTAVE + (value >> shift)
        try:
            self._counts[index] += 1
        except IndexError:
            self._counts.extend([0] * (index + _PER_OCTAVE - len(self._counts)))
            self._counts[index] += 1
        self.greatest = max(self.greatest, value)
        if value < self.least or not self.count:
            self.least = value
        self.count += 1
        self.total += value

    @property
    def mean(self) -> float | None:
        """The exact mean, or None without data."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> int | None:
        """The smallest value that `percent` % of the recorded values do not exceed; None without data.

        Off by at most RELATIVE_ERROR of the exact value; 100 gives the exact maximum.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile is from 0 to 100, not {percent}")
        if not self.count:
            return None
        rank = max(1, math.ceil(round(self.count * percent / 100, 6)))
        if rank == self.count:
            return self.greatest
        for value, seen in self._cumulated():
            if seen >= rank:
                return min(max(value, self.least), self.greatest)
        raise AssertionError("the counts do not add up to count")

    def buckets(self) -> Iterator[tuple[int, int]]:
        """The middle and the count of every bucket that is not empty, ascending."""
        return ((_middle(index), count) for index, count in enumerate(self._counts) if count)

    def _cumulated(self) -> Iterator[tuple[int, int]]:
        seen = 0
        for value, count in self.buckets():
            seen += count
            yield value, seen


def histogram(values: Iterable[int]) -> Histogram:
    """The histogram of some values.

    >>> histogram([1, 2, 3, 1000]).percentile(75)
    3
    """
    filled = Histogram()
    for value in values:
        filled.record(value)
    return filled


def _middle(index: int) -> int:
    shift = max(0, index // _PER_OCTAVE - 1)
    return ((index - shift * _PER_OCTAVE) << shift) + ((1 << shift) >> 1)
