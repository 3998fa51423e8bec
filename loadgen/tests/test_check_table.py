"""The table of the checks, on terminals of different widths: nothing of it is cut or broken in the middle."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from loadgen.reporting.check_table import check_table
from loadgen.statistics.design import design
from loadgen.statistics.judge import Cause, Check, Count, inconclusive, judge, judge_between, passed

RANGE = (design(0.524, 2800), design(0.981, 2800))
MEASURED = (
    judge("refused or failed when calm", "none", design(0.0, 300), Count(0, 300)),
    judge_between("refused when flooded", "some", RANGE, Count(2460, 2800, 3)),
    judge("share of v2", "20 %", design(0.2, 2700), Count(556, 2700)),
    inconclusive("slow refusals", "none", Cause.BUSY, "the machine was busy"),
    passed("it comes back", "again after 4 s to 7 s, or the same after a multiple of 4 s"),
)
FOUND = (
    passed("to judge.outside.svc.cluster.local", "502 of webapp: logic answered 502"),
    passed("read, no token", "403 RBAC: access denied"),
)
FIGURES = (
    *("refused or failed when calm", "0 of 300", "refused when flooded", "2,460 of 2,800, 3 unknown"),
    *("52.4–98.1 %", "INCONCLUSIVE", "20.6 %", "17.7–23.7 %", "± 5.0", "556 of 2,700", "slow refusals"),
)


def printed(checks: tuple[Check, ...], width: int) -> list[str]:
    """The lines of the table on a terminal of this width."""
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False)
    console.print(check_table(checks, console, width))
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [78, 90, 110, 200])
def test_every_figure_is_whole(width: int):
    """At 80 columns, less the indent of the report, as well as on a wide terminal."""
    lines = printed(MEASURED, width)

    assert [figure for figure in FIGURES if not any(figure in line for line in lines)] == []
    assert "…" not in "".join(lines)


def test_a_wide_terminal_has_a_line_for_each_check():
    """The figures side by side."""
    lines = printed(MEASURED[:3], 110)

    assert len(lines) == 4
    assert re.fullmatch(
        r"share of v2 +PASS +20\.6 % +17\.7–23\.7 % +20 % ± 5\.0  556 of 2,700",
        lines[-1],
    )


def test_a_narrow_terminal_has_two():
    """Count and minimum detectable effect are in the second."""
    *_, first, second = printed(MEASURED[:3], 78)

    assert re.fullmatch(r"share of v2 +PASS +20\.6 % +17\.7–23\.7 % +20 %", first)
    assert re.fullmatch(r"  556 of 2,700 +± 5\.0", second)


def test_a_narrow_terminal_has_one_line_for_what_was_not_counted():
    """There is nothing to say in the second."""
    lines = printed(MEASURED[1:4], 78)

    assert lines[-1].split() == ["slow", "refusals", "INCONCLUSIVE", "–", "–", "–"]


def test_a_narrow_terminal_has_no_columns_of_dashes():
    """Where nothing was measured what was found has their room, one line for each check."""
    assert printed(FOUND, 78) == [
        "check                               verdict  count",
        "to judge.outside.svc.cluster.local  PASS     502 of webapp: logic answered 502",
        "read, no token                      PASS     403 RBAC: access denied",
    ]


def test_words_may_be_broken_on_a_wide_terminal():
    """They do not cost the figures their line."""
    lines = printed(MEASURED[2:], 90)

    assert any(re.fullmatch(r"share of v2 .* ± 5\.0  556 of 2,700", line) for line in lines)
    assert "again after 4" in "".join(lines)


def test_a_very_narrow_terminal_breaks_lines_and_cuts_nothing():
    """All letters are there."""
    lines = printed(MEASURED, 40)

    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= 40
