"""Verdicts on counts."""

from __future__ import annotations

import pytest

from loadgen.statistics.design import Design, design
from loadgen.statistics.judge import (
    Cause,
    Check,
    Count,
    Verdict,
    as_inconclusive,
    failed,
    inconclusive,
    judge,
    judge_between,
    judge_time,
    overall,
    passed,
    unless,
)

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
    """Within the acceptance region is PASS, without the expected share FAIL, too wide INCONCLUSIVE."""
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
def test_a_design_that_detects_nothing_never_passes(count: Count):
    """With a handful of trials planned every outcome fits: that is no proof."""
    plan = design(0.65, 3)

    assert plan.minimum_detectable_effect == 1
    assert judge("", "", plan, count).verdict is Verdict.INCONCLUSIVE


def test_too_little_data_says_what_is_missing():
    """The reason names planned and actual trials, and the unknown ones."""
    check = judge("share", "20 %", PLAN, Count(50, 270, unknown=7))

    assert check.reason.startswith("too little data (270 of 2,700 planned, 7 of unknown outcome): ")


def test_the_remedy_for_too_little_data_comes_last():
    """After the note."""
    check = judge("share", "20 %", PLAN, Count(50, 270), note="three are odd")

    assert check.reason.endswith("; three are odd; run it again when the application answers every request")


@pytest.mark.parametrize(
    ("count", "cause"),
    [
        (Count(0, 0), Cause.TOO_FEW),
        (Count(54, 270), Cause.TOO_FEW),
        (Count(440, 2700, unknown=250), Cause.UNKNOWN_OUTCOMES),
        (Count(0, 2700, unknown=2700), Cause.UNKNOWN_OUTCOMES),
        (Count(540, 2700), None),
        (Count(700, 2700), None),
    ],
)
def test_an_inconclusive_check_has_a_cause_and_no_other(count: Count, cause: Cause | None):
    """So that programs can tell why."""
    assert judge("share", "20 %", PLAN, count).cause is cause


@pytest.mark.parametrize(
    ("verdict", "cause"),
    [(Verdict.INCONCLUSIVE, None), (Verdict.PASS, Cause.BUSY), (Verdict.FAIL, Cause.BUSY)],
)
def test_a_check_cannot_be_made_otherwise(verdict: Verdict, cause: Cause | None):
    """Whatever makes it."""
    with pytest.raises(ValueError, match="INCONCLUSIVE has a cause"):
        Check("share", verdict, "20 %", cause=cause)


def test_every_inconclusive_check_ends_with_the_remedy():
    """Of its cause."""
    for cause in Cause:
        assert inconclusive("share", "20 %", cause, "a reason").reason == f"a reason; {cause.remedy}"


def test_what_was_observed_is_still_reported_without_a_verdict():
    """The cause and its remedy follow."""
    check = judge("share", "20 %", PLAN, Count(700, 2700))

    opened = as_inconclusive(check, Cause.FOREIGN_TRAFFIC, "others sent 5 requests meanwhile")

    assert (opened.verdict, opened.cause) == (Verdict.INCONCLUSIVE, Cause.FOREIGN_TRAFFIC)
    assert opened.reason == (
        f"{check.reason}; others sent 5 requests meanwhile; run it again when nothing else sends requests"
    )


class TestTime:
    """What a check says of which a slow machine may have caused some outcomes."""

    NONE = design(0.0, 2700)

    @pytest.mark.parametrize(
        ("plan", "count", "affected", "verdict"),
        [
            pytest.param(PLAN, 540, 0, Verdict.PASS, id="nothing affected"),
            pytest.param(PLAN, 540, 3, Verdict.PASS, id="right whatever the affected ones were"),
            pytest.param(PLAN, 540, 200, Verdict.INCONCLUSIVE, id="too many affected"),
            pytest.param(PLAN, 800, 300, Verdict.INCONCLUSIVE, id="too many, as slow machines make it"),
            pytest.param(PLAN, 800, 20, Verdict.FAIL, id="too many whatever the affected ones were"),
            pytest.param(PLAN, 400, 400, Verdict.FAIL, id="too few in spite of a slow machine"),
            pytest.param(NONE, 0, 0, Verdict.PASS, id="none"),
            pytest.param(NONE, 5, 5, Verdict.INCONCLUSIVE, id="some, all of them affected"),
            pytest.param(NONE, 5, 4, Verdict.FAIL, id="one that does not depend on time"),
        ],
    )
    def test_only_a_verdict_that_slowness_cannot_have_caused_stands(
        self, plan: Design, count: int, affected: int, verdict: Verdict
    ):
        """Anything else is INCONCLUSIVE: a busy machine neither fails a mesh nor passes it."""
        counted = Count(count, 2700)

        def check(count: Count) -> Check:
            return judge("slow", "", plan, count)

        busy = judge_time(check, counted, counted.without(successes=affected), "the machine was busy")
        quiet = judge_time(check, counted, counted.without(successes=affected), "")

        assert busy.verdict is verdict
        assert busy.cause is (Cause.BUSY if verdict is Verdict.INCONCLUSIVE else None)
        assert busy.measured == quiet.measured == check(counted).measured
        assert quiet == check(counted)

    def test_failures_may_be_affected_as_well(self):
        """Where a slow machine lowers the share."""
        counted = Count(2690, 2700)

        check = judge_time(
            lambda count: judge("successes", "", design(1.0, 2700), count),
            counted,
            counted.without(failures=10),
            "busy",
        )

        assert check.cause is Cause.BUSY

    def test_without_a_count_only_fail_is_excused(self):
        """If there is a reason."""
        wrong, right = failed("idle", "at once", "it took long"), passed("idle", "at once")

        assert unless(wrong, Cause.BUSY, "slow").cause is Cause.BUSY
        assert (unless(wrong, Cause.BUSY, ""), unless(right, Cause.BUSY, "slow")) == (wrong, right)


def test_no_data_says_so():
    """Without any trial there is no interval."""
    assert judge("share", "20 %", PLAN, Count(0, 0)).reason == (
        "no data (2,700 planned); run it again when the application answers every request"
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
    """20 to 30 % are allowed; the range is what the report shows as expected."""
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
