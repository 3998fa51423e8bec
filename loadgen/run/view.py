"""What people see of a run: a live view while it lasts, a table when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from loadgen.http1 import Loss
from loadgen.measuring.histogram import Histogram
from loadgen.run.recorder import Recorder
from loadgen.run.summary import Summary

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = (50.0, 90.0, 99.0, 99.9)
"""The percentiles that fit into a line."""
WIDTH = 66
"""What a terminal of 80 columns has room for beside the names of the lines."""
LATE = 10_000_000
"""Nanoseconds: from here on the table says that the sending machine was too slow for the rate."""


def final_table(summary: Summary) -> Table:
    """The whole summary, one line for each thing worth knowing."""
    table = _lines()
    recorder = summary.recorder
    ended = "ended early" if summary.interrupted else "done"
    table.add_row("target", f"{summary.request.method} {summary.target.url}{summary.request.path}")
    table.add_row("load", f"{summary.pace}; {ended} after {summary.seconds:.1f} s")
    table.add_row("requests", _requests(recorder, summary.issued, summary.seconds))
    _add_details(table, recorder)
    if summary.lateness.count:
        table.add_row("sending", _sending(summary.lateness))
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
    good = f"{100 * recorder.good / ended:.1f} % good" if ended else "none ended yet"
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
    """Percentiles in one line."""
    if not values.count:
        return "no data"
    parts = [f"p{percent:g} {duration(values.percentile(percent) or 0)}" for percent in SHOWN]
    return " · ".join([*parts, f"max {duration(values.greatest)}"])


def _sending(lateness: Histogram) -> str:
    tail = lateness.percentile(99) or 0
    line = f"on time: 99 % at most {duration(tail)} late, the latest {duration(lateness.greatest)}"
    if tail < LATE:
        return line
    return (
        f"TOO SLOW: 1 % of the requests went out more than {duration(tail)} late; the latencies include that"
    )


def duration(nanoseconds: int) -> str:
    """A time for people, three digits.

    >>> duration(412_000), duration(3_120_000), duration(1_500_000_000)
    ('0.412 ms', '3.12 ms', '1.5 s')
    """
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.3g} ms"
    return f"{nanoseconds / 1e9:.3g} s"
