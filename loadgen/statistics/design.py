"""How many trials a check of a share needs, and what it detects: fixed before anything is sent.

A check tests the hypothesis that the true share is the expected one (`expected`). It computes the exact
confidence interval of the observed share at `CONFIDENCE` and answers

* **FAIL** if the interval does not contain the expected share;
* **PASS** if it does, and lies within the `acceptance_region`: every share that is not ruled out is close
  to the expected one (and there is data, and the design can detect some deviation at all);
* **INCONCLUSIVE** otherwise: the data neither contradicts the expected share nor confirms it.

*Significance.* If the true share is the expected one, FAIL has a probability of at most 1 - CONFIDENCE = 1
in 10,000, since the interval is exact. The acceptance region is the union of all intervals that contain the
expected share with the planned number of trials. With all planned trials known, INCONCLUSIVE therefore does
not occur. It occurs where trials are missing or their outcome is unknown.

*Power.* `minimum_detectable_effect` is the smallest deviation, up or down, for which FAIL has a probability
of at least `POWER`. `trials_for` is the inverse. So the tolerance is a result of the design, and is printed
next to each verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from loadgen.statistics.binomial import Interval, at_least, at_most, clopper_pearson

CONFIDENCE = 0.9999
POWER = 0.99
RARE = 1e-5
"""The probability that is neglected when a subset of the trials is planned with."""


@dataclass(frozen=True, slots=True)
class Design:
    """A check of one share, planned for a number of trials; shares are in 0..1."""

    expected: float
    trials: int
    acceptance_region: Interval
    minimum_detectable_effect: float


@cache
def design(expected: float, trials: int) -> Design:
    """The check of an expected share with this many trials planned."""
    lowest, highest = _accepted_counts(expected, trials)
    acceptance_region = Interval(
        clopper_pearson(lowest, trials, CONFIDENCE).low, clopper_pearson(highest, trials, CONFIDENCE).high
    )
    return Design(expected, trials, acceptance_region, _minimum_detectable_effect(expected, trials))


@cache
def trials_for(expected: float, deviation: float) -> int:
    """A number of trials, close to the smallest, that detects a deviation of this size."""
    enough = 1
    while _minimum_detectable_effect(expected, enough) > deviation:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > max(1, enough // 500):
        middle = (enough + too_few) // 2
        if _minimum_detectable_effect(expected, middle) > deviation:
            too_few = middle
        else:
            enough = middle
    return enough


def fails_with_probability(share: float, expected: float, trials: int) -> float:
    """The probability of FAIL if the true share is `share` and all trials are known."""
    lowest, highest = _accepted_counts(expected, trials)
    return at_most(lowest - 1, trials, share) + at_least(highest + 1, trials, share)


@cache
def trials_to_get(successes: int, share: float) -> int:
    """The smallest number of trials that yields so many successes almost surely; the share is not 0."""
    upper = 1
    while almost_surely_at_least(upper, share) < successes:
        upper *= 2
    return _smallest(upper, lambda trials: almost_surely_at_least(trials, share) >= successes)


def almost_surely_at_least(trials: int, share: float) -> int:
    """The number of successes that is missed with a probability of at most `RARE`."""
    return _smallest(trials, lambda successes: at_most(successes, trials, share) >= RARE)


def _accepted_counts(expected: float, trials: int) -> tuple[int, int]:
    """The smallest and the largest count whose interval contains the expected share."""
    tail = (1 - CONFIDENCE) / 2
    lowest = _smallest(trials, lambda count: at_most(count, trials, expected) > tail)
    highest = trials - _smallest(trials, lambda count: at_least(trials - count, trials, expected) > tail)
    return lowest, highest


def _minimum_detectable_effect(expected: float, trials: int) -> float:
    """The smallest deviation in either direction that FAILs with POWER; 1 if there is none.

    Where a share cannot deviate far enough in one direction (towards 0 or 1) to be detected, the effect in
    the other direction is larger than every deviation in this one, so it holds for both.
    """
    lowest, highest = _accepted_counts(expected, trials)
    above = _smallest_effect(1 - expected, lambda by: at_least(highest + 1, trials, expected + by) >= POWER)
    below = _smallest_effect(expected, lambda by: at_most(lowest - 1, trials, expected - by) >= POWER)
    return max((effect for effect in (above, below) if effect is not None), default=1.0)


def _smallest(upper: int, holds: Callable[[int], bool]) -> int:
    """The smallest number up to `upper` for which a monotonic predicate holds; it holds for `upper`."""
    low, high = 0, upper
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _smallest_effect(upper: float, holds: Callable[[float], bool]) -> float | None:
    if upper <= 0 or not holds(upper):
        return None
    low, high = 0.0, upper
    for _ in range(40):
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
