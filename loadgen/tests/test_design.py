"""The properties of a design, by computation: significance, power, number of trials."""

from __future__ import annotations

import itertools
import math

import pytest

from loadgen.statistics.binomial import at_most
from loadgen.statistics.design import (
    CONFIDENCE,
    POWER,
    almost_surely_at_least,
    design,
    fails_with_probability,
    trials_for,
    trials_to_get,
)
from loadgen.statistics.judge import Count, Verdict, judge

SHARES = [0.0, 0.01, 0.05, 0.13, 0.2, 0.5, 0.65, 0.8, 0.95, 1.0]
TRIALS = [100, 452, 2000, 2700, 8000]


def probabilities(share: float, expected: float, trials: int) -> dict[Verdict, float]:
    """The probability of each verdict of `judge` if all planned trials are known."""
    plan = design(expected, trials)
    by_verdict = dict.fromkeys(Verdict, 0.0)
    spread = 8 * math.sqrt(trials * max(share * (1 - share), 1e-9)) + 1
    lowest, highest = max(0, int(trials * share - spread)), min(trials, int(trials * share + spread))
    for successes in range(lowest, highest + 1):
        probability = at_most(successes, trials, share) - at_most(successes - 1, trials, share)
        if probability > 1e-12:
            by_verdict[judge("", "", plan, Count(successes, trials)).verdict] += probability
    return by_verdict


@pytest.mark.parametrize(
    ("expected", "trials"), list(itertools.product([0.0, 0.13, 0.2, 0.65, 1.0], [452, 2700]))
)
def test_what_is_as_expected_passes(expected: float, trials: int):
    """Anything but PASS, FAIL and INCONCLUSIVE together, is rarer than 1 in 10,000."""
    by_verdict = probabilities(expected, expected, trials)

    assert by_verdict[Verdict.PASS] > CONFIDENCE
    assert by_verdict[Verdict.INCONCLUSIVE] == 0


@pytest.mark.parametrize("share", [0.1493, 0.2507, 0.25, 0.3, 0.5, 0.0])
def test_an_80_20_canary_that_is_off_fails(share: float):
    """75/25, 50/50 and everything 5 points off is detected with the stated power, with 2,700 requests."""
    trials = trials_for(0.2, 0.05)

    by_verdict = probabilities(share, 0.2, trials)

    assert trials <= 2700
    assert by_verdict[Verdict.FAIL] >= (POWER if abs(share - 0.2) > 0.0501 else POWER - 0.002)


@pytest.mark.parametrize(("expected", "trials"), list(itertools.product(SHARES, TRIALS)))
def test_false_alarms_are_rare_for_all_shares_and_sizes(expected: float, trials: int):
    """FAIL although the share is as expected: at most 1 in 10,000."""
    assert fails_with_probability(expected, expected, trials) <= 1 - CONFIDENCE


@pytest.mark.parametrize(("expected", "trials"), list(itertools.product(SHARES, TRIALS)))
def test_everything_beyond_the_minimum_detectable_effect_fails(expected: float, trials: int):
    """Up and down, near and far."""
    minimum_detectable_effect = design(expected, trials).minimum_detectable_effect

    for factor, sign in itertools.product([1.0001, 1.3, 2, 4], [1, -1]):
        share = expected + sign * factor * minimum_detectable_effect
        if 0 <= share <= 1:
            assert fails_with_probability(share, expected, trials) >= POWER


@pytest.mark.parametrize("expected", SHARES[1:-1])
def test_the_minimum_detectable_effect_is_the_smallest(expected: float):
    """Nine tenths of it are detected with less than the power, in one direction at least."""
    plan = design(expected, 2000)

    below, above = (expected + sign * 0.9 * plan.minimum_detectable_effect for sign in (-1, 1))

    assert (
        min(fails_with_probability(share, expected, 2000) for share in (below, above) if 0 <= share <= 1)
        < POWER
    )


@pytest.mark.parametrize(("expected", "deviation"), list(itertools.product(SHARES, [0.02, 0.05, 0.15])))
def test_so_many_trials_are_enough_and_hardly_more(expected: float, deviation: float):
    """The number of trials detects the deviation; 85 % of it do not."""
    trials = trials_for(expected, deviation)

    assert (
        design(expected, trials).minimum_detectable_effect
        <= deviation
        < design(expected, int(0.85 * trials)).minimum_detectable_effect
    )


def test_the_acceptance_region_contains_every_interval_that_contains_the_expected_share():
    """So with all planned trials known, a check is decided."""
    plan = design(0.2, 500)

    verdicts = {judge("", "", plan, Count(successes, 500)).verdict for successes in range(501)}

    assert verdicts == {Verdict.PASS, Verdict.FAIL}


@pytest.mark.parametrize(("successes", "share"), [(421, 0.2), (421, 0.01), (5, 1.0)])
def test_so_many_trials_get_so_many_successes(successes: int, share: float):
    """And one trial less does not."""
    trials = trials_to_get(successes, share)

    assert almost_surely_at_least(trials - 1, share) < successes <= almost_surely_at_least(trials, share)


def test_a_part_of_the_trials_is_planned_for_cautiously():
    """The number of successes to plan with is missed less often than 1 in 100,000."""
    enough = almost_surely_at_least(2700, 0.2)

    assert at_most(enough - 1, 2700, 0.2) < 1e-5 <= at_most(enough, 2700, 0.2)
