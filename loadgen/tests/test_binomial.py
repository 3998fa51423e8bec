"""Binomial probabilities against exact arithmetic, and the interval against its promise."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.statistics.binomial import Interval, at_least, at_most, clopper_pearson, percent


def exactly_at_most(successes: int, trials: int, share: Fraction) -> Fraction:
    return sum(
        (comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes + 1)),
        start=Fraction(0),
    )


@given(data=st.data(), trials=st.integers(1, 120), percentage=st.integers(0, 1000))
def test_tails_agree_with_exact_fractions(data: st.DataObject, trials: int, percentage: int):
    """To ten digits, also far out in the tail, where it matters."""
    successes = data.draw(st.integers(0, trials))
    share = Fraction(percentage, 1000)
    exact = exactly_at_most(successes, trials, share)

    assert at_most(successes, trials, float(share)) == pytest.approx(float(exact), rel=1e-10, abs=1e-300)
    assert at_least(successes + 1, trials, float(share)) == pytest.approx(
        float(1 - exact), rel=1e-10, abs=1e-300
    )


@pytest.mark.parametrize(
    ("successes", "trials", "share"), [(500, 2700, "0.2"), (2100, 2700, "0.8"), (3, 8000, "0.001")]
)
def test_tails_agree_with_exact_fractions_for_the_sizes_in_use(successes: int, trials: int, share: str):
    """Thousands of trials, as a proof has them."""
    exact = exactly_at_most(successes, trials, Fraction(share))

    assert at_most(successes, trials, float(share)) == pytest.approx(float(exact), rel=1e-9)


def test_counts_outside_the_trials():
    """Fewer than none, more than all: certain or impossible."""
    assert (at_most(-1, 5, 0.5), at_most(5, 5, 0.5), at_least(0, 5, 0.5), at_least(6, 5, 0.5)) == (0, 1, 1, 0)


@pytest.mark.parametrize("trials", [1, 7, 40, 150])
@pytest.mark.parametrize("confidence", [0.95, 0.9999])
def test_the_interval_covers_the_true_share_as_promised(trials: int, confidence: float):
    """For any true share, the probability that the interval misses it is at most 1 - confidence."""
    intervals = [clopper_pearson(successes, trials, confidence) for successes in range(trials + 1)]

    for thousandths in range(0, 1001, 7):
        share = Fraction(thousandths, 1000)
        covered = sum(
            (
                comb(trials, k) * share**k * (1 - share) ** (trials - k)
                for k, interval in enumerate(intervals)
                if float(share) in interval
            ),
            start=Fraction(0),
        )
        assert covered >= confidence


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (3, 40), (1350, 2700), (540, 2700), (1, 8000), (8000, 8000)]
)
@pytest.mark.parametrize("confidence", [0.95, 0.9999])
def test_intervals_are_those_of_scipy(successes: int, trials: int, confidence: float):
    """An independent implementation of Clopper and Pearson's method."""
    from scipy import stats  # takes half a second, in every process that collects the tests

    exact = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")

    assert clopper_pearson(successes, trials, confidence) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(("successes", "trials"), [(3, 40), (540, 2700), (1, 8000)])
@pytest.mark.parametrize("share", [0.0002, 0.2, 0.9])
def test_tails_are_those_of_scipy(successes: int, trials: int, share: float):
    """Of the binomial distribution."""
    from scipy import stats

    assert at_most(successes, trials, share) == pytest.approx(
        stats.binom.cdf(successes, trials, share), rel=1e-9
    )


def test_known_intervals():
    """None of a hundred, all of a hundred, and 392 of 4,000 at 99 %."""
    assert clopper_pearson(0, 100, 0.95) == Interval(0.0, pytest.approx(1 - 0.025 ** (1 / 100)))
    assert clopper_pearson(100, 100, 0.95).high == 1.0
    assert str(clopper_pearson(392, 4000, 0.99)) == "8.6–11.1 %"


@given(data=st.data(), trials=st.integers(1, 500))
def test_unknown_outcomes_are_covered_whatever_they_were(data: st.DataObject, trials: int):
    """The interval with unknown outcomes spans those of the two extremes."""
    unknown = data.draw(st.integers(0, trials))
    successes = data.draw(st.integers(0, trials - unknown))

    interval = clopper_pearson(successes, trials, 0.99, unknown=unknown)

    assert interval.low == clopper_pearson(successes, trials, 0.99).low
    assert interval.high == clopper_pearson(successes + unknown, trials, 0.99).high


def test_without_trials_everything_is_possible():
    """No data excludes nothing."""
    assert clopper_pearson(0, 0, 0.9999) == Interval(0.0, 1.0)


@given(share=st.floats(1e-5, 1 - 1e-5))
def test_some_never_looks_like_none_nor_most_like_all(share: float):
    """A share strictly between 0 and 1 is not printed as 0 % or 100 %."""
    assert percent(share) not in {"0 %", "100 %"}
