"""The histogram: exact counts, and a bound on the error of every percentile."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadgen.measurement.histogram import RELATIVE_ERROR, Histogram, histogram

VALUES = st.lists(st.integers(0, 2**45) | st.integers(0, 1000), min_size=1, max_size=200)


@given(values=VALUES, percent=st.floats(0, 100))
@example(values=[255, 256, 257], percent=50)
@example(values=list(range(1000)), percent=99.9)
def test_a_percentile_is_off_by_at_most_the_stated_error(values: list[int], percent: float):
    """Compared with the exact nearest-rank percentile, whatever the values are."""
    exact = sorted(values)[max(1, math.ceil(round(len(values) * percent / 100, 6))) - 1]

    reported = histogram(values).percentile(percent)

    assert abs(reported - exact) <= RELATIVE_ERROR * exact


@given(values=VALUES)
def test_count_total_and_extremes_are_exact(values: list[int]):
    """Only the places of the values are rounded."""
    filled = histogram(values)

    assert (filled.count, filled.total, filled.least, filled.greatest) == (
        len(values),
        sum(values),
        min(values),
        max(values),
    )
    assert sum(count for _, count in filled.buckets()) == len(values)
    assert filled.percentile(100) == max(values)
    assert filled.mean == sum(values) / len(values)


def test_small_values_are_exact():
    """Below 256, every value has its own bucket."""
    filled = histogram(range(256))

    assert list(filled.buckets()) == [(value, 1) for value in range(256)]


def test_buckets_follow_each_other_without_gap():
    """Every bucket's middle falls into the bucket itself, in ascending order, over many octaves."""
    values = [int(1.003**exponent) for exponent in range(9000)]
    middles = [value for value, _ in histogram(values).buckets()]

    again = histogram(middles)

    assert [value for value, _ in again.buckets()] == middles == sorted(set(middles))


def test_without_data_there_is_no_percentile():
    """No data is None, not zero."""
    empty = Histogram()

    assert (empty.percentile(50), empty.mean, empty.count) == (None, None, 0)


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_a_percentile_outside_0_to_100_is_refused(percent: float):
    """As a mistake of the caller's."""
    with pytest.raises(ValueError, match="from 0 to 100"):
        histogram([1]).percentile(percent)


def test_a_negative_value_is_refused():
    """A latency below zero is a mistake somewhere else: it must not be hidden in a bucket."""
    with pytest.raises(ValueError, match="from 0 up"):
        histogram([-1])
