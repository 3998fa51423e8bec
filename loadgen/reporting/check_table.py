"""The checks of one scenario as a table, in the widest layout that fits the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgen.statistics.binomial import percent
from loadgen.statistics.judge import Check, Measured, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

STYLES = {Verdict.PASS: "bold green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "bold yellow"}
LEAST_WORDS = 24
"""The width below which words are not wrapped; counts never are."""
_AMPLE = 1_000
_NOTHING = "–"


def check_table(checks: Sequence[Check], console: Console, room: int) -> Table:
    """The widest layout that needs at most `room` columns; wrapped anywhere if none does."""
    for table in _layouts(checks):
        if _needed(table, console) <= room:
            return table
    for column in table.columns:
        column.no_wrap, column.min_width, column.overflow = False, None, "fold"
    return table


def _layouts(checks: Sequence[Check]) -> Iterator[Table]:
    """From wide to narrow."""
    yield _wide(checks)
    if not any(check.measured for check in checks):
        yield _without_figures(checks)
    yield _stacked(checks, gap=2)
    yield _stacked(checks, gap=1)


def _needed(table: Table, console: Console) -> int:
    """The columns below which text would be cut, or wrapped that must not be."""
    from rich.measure import Measurement

    ample = console.options.update_width(_AMPLE)

    def width(column: Column) -> int:
        cells = [Measurement.get(console, ample, cell).maximum for cell in (column.header, *column.cells)]
        return max(cells) if column.no_wrap else column.min_width or 0

    gaps = table.padding[1] * (len(table.columns) - 1)
    return sum(map(width, table.columns)) + gaps


def _wide(checks: Sequence[Check]) -> Table:
    """One line for each check."""
    table = _table(2, "observed", "interval", "expected")
    table.add_column("count", min_width=_count_width(checks))
    for check in checks:
        observed, interval, expected, effect = _figures(check.measured)
        table.add_row(
            check.name,
            _verdict(check),
            observed,
            interval,
            f"{expected} {effect}".strip(),
            _count(check),
        )
    return table


def _without_figures(checks: Sequence[Check]) -> Table:
    """One line for each check, for checks without counts."""
    table = _table(2)
    table.add_column("count", min_width=_count_width(checks))
    for check in checks:
        table.add_row(check.name, _verdict(check), _count(check))
    return table


def _stacked(checks: Sequence[Check], *, gap: int) -> Table:
    """Two lines for each check: the count and the minimum detectable effect are in the second."""
    from rich.console import Group
    from rich.padding import Padding

    table = _table(gap, "observed", "interval", "expected")
    table.columns[0].no_wrap = False
    table.columns[0].min_width = max(len(check.name) for check in checks)
    for check in checks:
        observed, interval, expected, effect = _figures(check.measured)
        count = _count(check)
        second = () if count == _NOTHING else (Padding(count, (0, 0, 0, 2)),)
        table.add_row(
            Group(check.name, *second),
            _verdict(check),
            observed,
            interval,
            f"{expected}\n{effect}".strip(),
        )
    return table


def _table(gap: int, *figures: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _verdict(check: Check) -> Text:
    from rich.text import Text

    return Text(str(check.verdict), STYLES[check.verdict])


def _count(check: Check) -> str:
    """The count; what was observed, in words, where nothing was counted."""
    if check.measured is None:
        return _NOTHING if check.reason else check.expected
    count = check.measured.count
    unknown = f", {count.unknown:,} unknown" if count.unknown else ""
    return f"{count.successes:,} of {count.trials:,}{unknown}"


def _count_width(checks: Sequence[Check]) -> int:
    """The width of the counts; words may be wrapped down to the least width."""
    return max(
        len(_count(check)) if check.measured else min(len(_count(check)), LEAST_WORDS) for check in checks
    )


def _figures(measured: Measured | None) -> tuple[str, str, str, str]:
    """The observed share, the interval, the expected share, and the minimum detectable effect."""
    if measured is None:
        return (*(_NOTHING,) * 3, "")
    share, plan = measured.count.share, measured.design
    sign = {0.0: "+", 1.0: "−"}.get(plan.expected, "±") if measured.allowed is None else "±"
    return (
        "no data" if share is None else percent(share, aligned=True),
        str(measured.interval),
        percent(plan.expected) if measured.allowed is None else str(measured.allowed),
        f"{sign}{percent(plan.minimum_detectable_effect, aligned=True).removesuffix(' %'):>4}",
    )
