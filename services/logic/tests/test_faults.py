"""The deliberate faults: exact percentages, and outcomes that depend only on seed, request and attempt."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.logic.faults import Faults, Outcome

BUGGY = Faults(error_percent=33, hang_percent=32, hang_seconds=3, seed="sentimesh")
SAMPLE = 10_000
# Five standard deviations: a fair hash is outside of it less often than once in a million runs.
BAND = 5


def request_ids(count: int) -> list[str]:
    """Request ids in Envoy's format, the same in every run."""
    source = random.Random(20)
    return [str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(count)]


def within(observed: int, percent: float, count: int = SAMPLE) -> bool:
    """Whether this number of `count` is consistent with `percent`."""
    share = percent / 100
    return abs(observed - share * count) <= BAND * sqrt(count * share * (1 - share))


@pytest.mark.parametrize(("error", "hang"), [(33, 32), (0.5, 99), (12.25, 0), (0, 7)])
def test_the_percentages_hold_over_ten_thousand_requests(error, hang):
    """Including fractions of a percent."""
    faults = Faults(error_percent=error, hang_percent=hang, hang_seconds=3, seed="s")

    counts = Counter(faults.outcome(request_id, 1) for request_id in request_ids(SAMPLE))

    assert within(counts[Outcome.ERROR], error)
    assert within(counts[Outcome.HANG], hang)
    assert within(counts[Outcome.ANSWERED], 100 - error - hang)


def test_the_percentages_hold_for_sequential_ids():
    """Load generators number their requests, which must not affect the hash."""
    counts = Counter(BUGGY.outcome(f"run-7-{number}", 1) for number in range(SAMPLE))

    assert within(counts[Outcome.ERROR], 33)
    assert within(counts[Outcome.HANG], 32)


def test_attempts_at_a_request_are_independent():
    """Second attempts fail with the same percentages, so retries can succeed."""
    failed = [
        request_id
        for request_id in request_ids(SAMPLE)
        if BUGGY.outcome(request_id, 1) is not Outcome.ANSWERED
    ]

    again = Counter(BUGGY.outcome(request_id, 2) for request_id in failed)

    assert within(again[Outcome.ANSWERED], 35, len(failed))


def test_another_seed_selects_other_requests():
    """The percentages stay the same; the outcomes are independent."""
    other = Faults(error_percent=33, hang_percent=32, hang_seconds=3, seed="other")

    same = sum(
        BUGGY.outcome(request_id, 1) is other.outcome(request_id, 1) for request_id in request_ids(SAMPLE)
    )

    assert within(same, 33**2 / 100 + 32**2 / 100 + 35**2 / 100)


@given(st.text(), st.integers(1, 10**9), st.text())
def test_the_same_request_and_attempt_always_end_the_same(request_id, attempt, seed):
    """For any id of a client."""
    faults = [Faults(error_percent=33, hang_percent=32, hang_seconds=number, seed=seed) for number in (1, 2)]

    assert faults[0].outcome(request_id, attempt) is faults[1].outcome(request_id, attempt)


@pytest.mark.parametrize(
    ("request_id", "outcomes"),
    [
        ("0af7651916cd43dd8448eb211c80319c", "error answered error hang"),
        ("a", "error error answered answered"),
        ("run-7-0", "error hang answered error"),
    ],
)
def test_outcomes_never_change_between_releases(request_id, outcomes):
    """So that examples stay valid: attempts one to four of a few requests."""
    assert [BUGGY.outcome(request_id, attempt).value for attempt in (1, 2, 3, 4)] == outcomes.split()


@given(st.text(), st.integers(1, 100))
def test_zero_percent_means_no_faults(request_id, attempt):
    """0 disables each of them."""
    faults = Faults(error_percent=0, hang_percent=0, hang_seconds=3, seed="s")

    assert faults.outcome(request_id, attempt) is Outcome.ANSWERED
    assert (bool(faults), faults.about()) == (False, {})


@given(st.text())
def test_a_hundred_percent_means_all_faults(request_id):
    """With 100, no request succeeds."""
    faults = Faults(error_percent=0, hang_percent=100, hang_seconds=3, seed="s")

    assert faults.outcome(request_id, 1) is Outcome.HANG
