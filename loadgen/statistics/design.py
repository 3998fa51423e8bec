"""How many trials a check of a share needs, and what it will notice: settled before anything is sent.

A check asks: is the share of yeses what it should be (`expected`)? With the exact interval of the
observed count at `CONFIDENCE` it answers

* **FAIL** if the interval does not contain the expected share;
* **PASS** if it does, and lies within the `acceptance_region`: all that is not ruled out is close to
  what was expected
  (and there is data, and a plan under which at least something would have been noticed);
* **INCONCLUSIVE** otherwise: nothing speaks against the expected share, but not enough speaks for it.

*False alarms.* If the share is as expected, FAIL has a probability of at most 1 - CONFIDENCE = 1 in 10,000
(the interval is exact). The band is the union of all intervals that contain the expected share with the
planned number of trials. So with all planned trials known, INCONCLUSIVE does not occur, and "not PASS" is
as improbable as FAIL. The band bites when trials are missing or their outcome is unknown.

*What is noticed.* `minimum_detectable_effect` is the smallest deviation, up or down, for which FAIL has a
probability of at least `POWER`. `trials_for` turns this around. The tolerance is thus a result of the
design: what a check would overlook is printed next to its verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadgen.statistics.binomial import Interval, at_least, at_most, clopper_pearson

CONFIDENCE = 0.9999
POWER = 0.99


@dataclass(frozen=True, slots=True)
class Design:
    """A check of one share, planned for a number of trials; shares are in 0..1."""

    expected: float
    trials: int
    acceptance_region: Interval
    minimum_detectable_effect: float


def design(expected: float, trials: int) -> Design:
    """The check of an expected share with this many trials planned."""
    lowest, highest = _accepted(expected, trials)
    acceptance_region = Interval(
        clopper_pearson(lowest, trials, CONFIDENCE).low, clopper_pearson(highest, trials, CONFIDENCE).high
    )
    return Design(expected, trials, acceptance_region, _noticed(expected, trials))


def trials_for(expected: float, deviation: float) -> int:
    """A number of trials, close to the least, with which a deviation of this size is noticed."""
    enough = 1
    while _noticed(expected, enough) > deviation:
        enough *= 2
    too_few = enough // 2
    while enough - too_few > max(1, enough // 500):
        middle = (enough + too_few) // 2
        if _noticed(expected, middle) > deviation:
            too_few = middle
        else:
            enough = middle
    return enough


def fails_with_probability(share: float, expected: float, trials: int) -> float:
    """How probable FAIL is if the true share is `share` and all trials are known."""
    lowest, highest = _accepted(expected, trials)
    return at_most(lowest - 1, trials, share) + at_least(highest + 1, trials, share)


def trials_to_get(successes: int, share: float) -> int:
    """The least number of trials of which surely so many succeed; the share must not be 0."""
    greatest = 1
    while surely_at_least(greatest, share) < successes:
        greatest *= 2
    return _least(greatest, lambda trials: surely_at_least(trials, share) >= successes)


def surely_at_least(trials: int, share: float) -> int:
    """A number of successes that is reached but for 1 case in 100,000: to plan with a part of the trials."""
    return _least(trials, lambda successes: at_most(successes, trials, share) >= 1e-5)


def _accepted(expected: float, trials: int) -> tuple[int, int]:
    """The least and the greatest count whose interval contains the expected share."""
    tail = (1 - CONFIDENCE) / 2
    lowest = _least(trials, lambda count: at_most(count, trials, expected) > tail)
    highest = trials - _least(trials, lambda count: at_least(trials - count, trials, expected) > tail)
    return lowest, highest


def _noticed(expected: float, trials: int) -> float:
    """The smallest deviation that FAILs with POWER, whichever way it goes; 1 if there is none.

    Where a share cannot deviate far enough on one side to be noticed (towards 0 or 1), the deviation noticed
    on the other side is greater than all there is on this one, so it holds for both.
    """
    lowest, highest = _accepted(expected, trials)
    above = _least_share(1 - expected, lambda by: at_least(highest + 1, trials, expected + by) >= POWER)
    below = _least_share(expected, lambda by: at_most(lowest - 1, trials, expected - by) >= POWER)
    return max((deviation for deviation in (above, below) if deviation is not None), default=1.0)


def _least(greatest: int, holds: Callable[[int], bool]) -> int:
    """The least number up to `greatest` for which it holds; it holds there, and for all above the least."""
    low, high = 0, greatest
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _least_share(greatest: float, holds: Callable[[float], bool]) -> float | None:
    if greatest <= 0 or not holds(greatest):
        return None
    low, high = 0.0, greatest
    for _ in range(40):
        middle = (low + high) / 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
