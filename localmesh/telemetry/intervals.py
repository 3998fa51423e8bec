"""The interval of an observed share."""

from __future__ import annotations

from math import sqrt

_Z = 1.959964
"""The quantile of the normal distribution for 95 %."""


def wilson(successes: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share in percent (Wilson's score interval); of nothing, 0 to 100.

    >>> [round(bound, 1) for bound in wilson(20, 100)]
    [13.3, 28.9]
    """
    if not total:
        return 0.0, 100.0
    share, square = successes / total, _Z**2 / total
    middle = share + square / 2
    half = _Z * sqrt(share * (1 - share) / total + square / (4 * total))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return 100 * max(0.0, low), 100 * min(1.0, high)
