"""Verdicts on counts."""

from __future__ import annotations

import pytest

from loadgen.statistics.design import design
from loadgen.statistics.judge import Count, Verdict, downgrade_to_inconclusive, judge, judge_between, overall

PLAN = design(0.2, 2700)


@pytest.mark.parametrize(
    ("count", "verdict"),
    [
        pytest.param(Count(540, 2700), Verdict.PASS, id="as expected"),
        pytest.param(Count(700, 2700), Verdict.FAIL, id="too many"),
        pytest.param(Count(400, 2700), Verdict.FAIL, id="too few"),
        pytest.param(Count(0, 0), Verdict.INCONCLUSIVE, id="no data"),
        pytest.param(Count(54, 270), Verdict.INCONCLUSIVE, id="a tenth of the data"),
        pytest.param(Count(270, 270), Verdict.FAIL, id="a tenth of the data, but all wrong"),
        pytest.param(Count(530, 2700, unknown=10), Verdict.PASS, id="a few unknown"),
        pytest.param(Count(440, 2700, unknown=250), Verdict.INCONCLUSIVE, id="too many unknown"),
        pytest.param(Count(800, 2700, unknown=250), Verdict.FAIL, id="wrong whatever the unknown ones are"),
        pytest.param(Count(0, 2700, unknown=2700), Verdict.INCONCLUSIVE, id="all unknown"),
    ],
)
def test_a_count_gets_its_verdict(count: Count, verdict: Verdict):
    """Inside the band with the expected share is PASS, without it FAIL, too wide INCONCLUSIVE."""
    check = judge("share", "20 %", PLAN, count)

    assert check.verdict is verdict
    assert bool(check.reason) == (verdict is not Verdict.PASS)


def test_none_expected_allows_none():
    """One failure where none may be is a FAIL; none of too few is INCONCLUSIVE."""
    plan = design(0.0, 2700)

    verdicts = [
        judge("", "", plan, count).verdict for count in (Count(0, 2700), Count(1, 2700), Count(0, 1000))
    ]

    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE]


@pytest.mark.parametrize("count", [Count(0, 0), Count(2, 3), Count(3, 3, unknown=0)])
def test_a_plan_that_notices_nothing_never_passes(count: Count):
    """With a handful of trials planned every outcome fits: that is no proof."""
    plan = design(0.65, 3)

    assert plan.minimum_detectable_effect == 1
    assert judge("", "", plan, count).verdict is Verdict.INCONCLUSIVE


def test_too_little_data_says_what_is_missing():
    """The reason names planned and actual trials, and the unknown ones."""
    check = judge("share", "20 %", PLAN, Count(50, 270, unknown=7))

    assert check.reason.startswith("too little data (270 of 2,700 planned, 7 of unknown outcome): ")


def test_what_to_do_about_too_little_data_is_said_in_the_end():
    """After the note of the proof that asks."""
    check = judge("share", "20 %", PLAN, Count(50, 270), note="three are odd")

    assert check.reason.endswith("; three are odd; try again when the machine is calm")


@pytest.mark.parametrize(
    ("count", "verdict", "reason"),
    [
        (Count(540, 2700), Verdict.PASS, ""),
        (Count(700, 2700), Verdict.INCONCLUSIVE, "; it was the weather"),
    ],
)
def test_an_excuse_opens_what_failed_and_nothing_else(count: Count, verdict: Verdict, reason: str):
    """What was found is still said; without an excuse the verdict stands."""
    check = judge("share", "20 %", PLAN, count)

    found = downgrade_to_inconclusive(check, "it was the weather")

    assert found.verdict is verdict
    assert found.reason == check.reason + reason
    assert downgrade_to_inconclusive(check, "") == check


def test_no_data_says_so():
    """Without any trial there is no interval to talk about."""
    assert judge("share", "20 %", PLAN, Count(0, 0)).reason == (
        "no data (2,700 planned); try again when the machine is calm"
    )


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([Verdict.PASS, Verdict.PASS], Verdict.PASS),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS], Verdict.FAIL),
    ],
)
def test_verdicts_together(verdicts: list[Verdict], together: Verdict):
    """FAIL wins over INCONCLUSIVE, which wins over PASS; nothing checked is INCONCLUSIVE."""
    assert overall(verdicts) is together


@pytest.mark.parametrize(
    ("successes", "verdict"),
    [(0, Verdict.FAIL), (250, Verdict.FAIL), (540, Verdict.PASS), (800, Verdict.PASS), (1300, Verdict.FAIL)],
)
def test_a_share_that_may_be_anything_in_a_range_fails_only_outside_of_it(successes: int, verdict: Verdict):
    """20 to 30 % are allowed; the range is what the report shows as wanted."""
    check = judge_between("share", "20 to 30 %", (PLAN, design(0.3, 2700)), Count(successes, 2700))

    assert check.verdict is verdict
    assert check.measured is not None
    assert check.measured.allowed == (0.2, 0.3)


def test_a_range_of_one_share_is_that_share():
    """Then it is an ordinary check."""
    assert judge_between("share", "", (PLAN, PLAN), Count(540, 2700)) == judge(
        "share", "", PLAN, Count(540, 2700)
    )


def test_no_data_in_a_range_is_inconclusive():
    """Though the range may be wide."""
    check = judge_between("share", "", (PLAN, design(1.0, 2700)), Count(0, 0))

    assert check.verdict is Verdict.INCONCLUSIVE
