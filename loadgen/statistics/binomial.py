"""Counts of binary outcomes: exact probabilities and the exact confidence interval of a share.

If each of n independent trials succeeds with the same probability p, the number of successes is binomial.
Its tail probabilities are values of the regularised incomplete beta function, computed here by its continued
fraction (Abramowitz & Stegun 26.5.8, evaluated by Lentz's method): exact to about 10 digits.

The interval is the one of Clopper and Pearson (1934): all p for which the observed count is not in an outer
tail of (1 - confidence)/2. It uses no approximation and covers the true share with *at least* the stated
confidence, for any share and any number of trials (a test sums it up). In return it is slightly wider than
necessary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

_TINY = 1e-300
"""Instead of 0 in Lentz's method, which divides by it."""
_PRECISION = 1e-12
"""The last step to a bound of an interval is smaller."""
_MOST_STEPS = 40
"""Newton's method needs about five; if only halves were taken, so many would reach the precision."""


class Interval(NamedTuple):
    """Shares from `low` to `high`, both in 0..1 and both included."""

    low: float
    high: float

    def __contains__(self, share: object) -> bool:
        return isinstance(share, int | float) and self.low <= share <= self.high

    def __str__(self) -> str:
        low, high = (percent(share, aligned=True) for share in self)
        return f"{low.removesuffix(' %')}–{high}"

    def within(self, other: Interval) -> bool:
        """Whether it is a subset of the other."""
        return other.low <= self.low and self.high <= other.high


def percent(share: float, *, aligned: bool = False) -> str:
    """A share for display: one decimal, or more where rounding would show some as none, or most as all.

    >>> percent(0.2), percent(0.1975), percent(0.0004), percent(0.99996), percent(0.2, aligned=True)
    ('20 %', '19.8 %', '0.04 %', '99.996 %', '20.0 %')
    """
    value = 100 * share
    decimals = 1
    while decimals < 4 and 0 < share < 1 and round(value, decimals) in {0, 100}:
        decimals += 1
    text = f"{value:.{decimals}f}"
    return (text if aligned else text.rstrip("0").rstrip(".")) + " %"


def at_most(successes: int, trials: int, share: float) -> float:
    """The probability of this many successes or fewer.

    >>> round(at_most(1, 3, 0.5), 12)
    0.5
    """
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    return _incomplete_beta(trials - successes, successes + 1, 1 - share)


def at_least(successes: int, trials: int, share: float) -> float:
    """The probability of this many successes or more."""
    if successes <= 0:
        return 1.0
    if successes > trials:
        return 0.0
    return _incomplete_beta(successes, trials - successes + 1, share)


def clopper_pearson(successes: int, trials: int, confidence: float, *, unknown: int = 0) -> Interval:
    """The confidence interval of the share, given the successes among the trials.

    `unknown` of the trials may have been successes or not: the interval holds in either case. Without trials
    it is 0 to 1.
    """
    tail = (1 - confidence) / 2
    most = successes + unknown
    low, high = 0.0, 1.0
    if successes > 0:
        low = _root(
            lambda share: at_least(successes, trials, share) - tail,
            lambda share: _beta_density(successes, trials - successes + 1, share),
            _wilson(successes, trials, NormalDist().inv_cdf(tail)),
        )
    if most < trials:
        high = _root(
            lambda share: tail - at_most(most, trials, share),
            lambda share: _beta_density(most + 1, trials - most, share),
            _wilson(most, trials, -NormalDist().inv_cdf(tail)),
        )
    return Interval(low, high)


def _wilson(successes: int, trials: int, deviations: float) -> float:
    """The bound of the share by the normal distribution (Wilson 1927), which is near the exact one."""
    squared = deviations**2
    half = deviations * math.sqrt(successes * (trials - successes) / trials + squared / 4)
    return (successes + squared / 2 + half) / (trials + squared)


def _root(rising: Callable[[float], float], slope: Callable[[float], float], guess: float) -> float:
    """The zero of an increasing function of a share: by Newton's method, and by halves where that fails."""
    low, high, share = 0.0, 1.0, guess
    for _ in range(_MOST_STEPS):
        value = rising(share)
        low, high = (share, high) if value < 0 else (low, share)
        steepness = slope(share)
        nearer = share - value / steepness if steepness else low
        if abs(nearer - share) < _PRECISION:
            return nearer
        share = nearer if low < nearer < high else (low + high) / 2
    return share


def _beta_density(a: float, b: float, x: float) -> float:
    """The derivative of the incomplete beta function."""
    return math.exp(_log_of_beta(a, b) + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x))


def _log_of_beta(a: float, b: float) -> float:
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b > 0."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly, for the mirrored one it is fast
        return 1 - _incomplete_beta_fraction(b, a, 1 - x)
    return _incomplete_beta_fraction(a, b, x)


def _incomplete_beta_fraction(a: float, b: float, x: float) -> float:
    logarithm = _log_of_beta(a, b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in (even, odd):
            d = 1 / (1 + numerator * d or _TINY)
            c = 1 + numerator / c or _TINY
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return math.exp(logarithm) * fraction / a
