"""What people see of a run: a live view while it lasts, a table when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from loadgen.http1 import Loss
from loadgen.measurement.histogram import Histogram
from loadgen.run.recorder import Recorder
from loadgen.run.summary import Summary, pace

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = (50.0, 90.0, 99.0, 99.9)
"""The percentiles that fit into a line."""
WIDTH = 66
"""What a terminal of 80 columns has room for beside the names of the lines."""
LATE_SHARE = 0.25
LATE = 2_000_000
"""Nanoseconds: less, or a smaller share of the latency, does not matter to it."""


def final_table(summary: Summary) -> Table:
    """The whole summary, one line for each thing worth knowing."""
    table = _lines()
    recorder = summary.recorder
    ended = "ended early" if summary.interrupted else "all ended"
    table.add_row("target", f"{summary.request.method} {summary.target.url}{summary.request.path}")
    table.add_row("load", f"{pace(summary.traffic)}; {ended} after {summary.seconds:.1f} s")
    table.add_row("requests", _requests(recorder, summary.issued, summary.seconds))
    _add_details(table, recorder)
    if summary.lateness.count:
        table.add_row("sending", _sending(summary.lateness, recorder.latency))
    return table


def live_table(recorder: Recorder, issued: int, seconds: float, goal: str) -> Table:
    """The same while the run goes on."""
    table = _lines()
    table.add_row("running", f"{seconds:.1f} s {goal}")
    table.add_row("requests", _requests(recorder, issued, seconds))
    _add_details(table, recorder)
    return table


def _lines() -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 1), pad_edge=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table


def _add_details(table: Table, recorder: Recorder) -> None:
    table.add_row("answers", _counts(_statuses(recorder)) or "none yet")
    if recorder.losses:
        table.add_row("lost", _counts(_losses(dict(recorder.losses))))
    versions = recorder.versions()
    if versions:
        table.add_row(
            "served by", _counts((name, count, count / recorder.answered) for name, count in versions.items())
        )
    table.add_row("latency", latency_line(recorder.latency))


def _requests(recorder: Recorder, issued: int, seconds: float) -> str:
    rate = recorder.answered / seconds if seconds else 0.0
    ended = recorder.ended_count
    good = f"{100 * recorder.good / ended:.1f} % good (status below 400)" if ended else "none ended yet"
    return f"{issued:,} sent, {recorder.answered:,} answered ({rate:,.1f}/s), {good}"


def _statuses(recorder: Recorder) -> Iterable[tuple[str, int, float]]:
    counts = sorted(dict(recorder.statuses).items())
    return ((str(status), count, count / recorder.answered) for status, count in counts)


def _losses(losses: dict[Loss, int]) -> Iterable[tuple[str, int, float]]:
    total = sum(losses.values())
    return ((f"{loss} ({loss.meaning})", count, count / total) for loss, count in sorted(losses.items()))


def _counts(entries: Iterable[tuple[str, int, float]]) -> str:
    """All in one line, or each in its own where a terminal would break them anywhere."""
    parts = [f"{name}: {count:,} ({100 * share:.1f} %)" for name, count, share in entries]
    line = " · ".join(parts)
    return line if len(line) <= WIDTH else "\n".join(parts)


def latency_line(values: Histogram) -> str:
    """Percentiles in one line, without those that so few values have only in name."""
    if not values.count:
        return "no data"
    parts = [f"p{percent:g} {duration(values.percentile(percent) or 0)}" for percent in _told(values, SHOWN)]
    return " · ".join([*parts, f"max {duration(values.greatest)}"])


def _told(values: Histogram, percents: Iterable[float]) -> list[float]:
    """The percentiles that are not just the greatest value: of 40 values the 99th of 100 is."""
    return [percent for percent in percents if round(values.count * (100 - percent), 6) >= 100]


def _sending(lateness: Histogram, latency: Histogram) -> str:
    """Whether the schedule was kept, as far as it matters to the percentiles of the latency.

    It does where requests went out so late that a quarter or more of a percentile, and 2 ms or more, may be
    this machine's own delay. One late request among few changes none but the greatest value.
    """
    for percent in _told(lateness, (50.0, 90.0, 99.0)):
        late = lateness.percentile(percent) or 0
        if late >= max(LATE, LATE_SHARE * (latency.percentile(percent) or 0)):
            return (
                f"behind schedule: {100 - percent:g} % of the requests went out {duration(late)} late or "
                f"later, and up to so much of p{percent:g} is this machine's own delay. "
                "Lower --rate, or run less beside it"
            )
    tail = f"99 % at most {duration(lateness.percentile(99) or 0)} late, " if _told(lateness, (99.0,)) else ""
    return f"on schedule: {tail}the latest {duration(lateness.greatest)}{'' if tail else ' late'}"


def duration(nanoseconds: int) -> str:
    """A time for people, three digits.

    >>> duration(412_000), duration(3_120_000), duration(1_500_000_000)
    ('0.412 ms', '3.12 ms', '1.5 s')
    """
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.3g} ms"
    return f"{nanoseconds / 1e9:.3g} s"
