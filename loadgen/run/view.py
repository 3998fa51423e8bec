"""What people see of a run: a live view while it lasts, a table when it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from loadgen.measurement.histogram import Histogram
from loadgen.run.recorder import Counts, Recorder, Window
from loadgen.run.summary import Summary, pace

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

SHOWN = (50.0, 90.0, 99.0, 99.9)
"""The percentiles that fit into a line."""
WIDTH = 66
"""The width that a terminal of 80 columns leaves beside the names of the lines."""
LATE_SHARE = 0.25
LATE = 2_000_000
"""Nanoseconds. A shorter delay, or a smaller share of the latency, does not affect the result."""

Share = tuple[str, int, float]
"""A name, how many there were, and which part of all that is."""


def final_table(summary: Summary) -> Table:
    """The summary, one line per subject."""
    table = _lines()
    recorder = summary.recorder
    ended = "ended early" if summary.interrupted else "all ended"
    table.add_row("target", f"{summary.request.method} {summary.target.url}{summary.request.path}")
    table.add_row("load", f"{pace(summary.traffic)}; {ended} after {summary.seconds:.1f} s")
    table.add_row("requests", _requests(recorder, summary.issued, summary.seconds))
    table.add_row("answers", _counts(_statuses(recorder)) or "none yet")
    if recorder.losses:
        table.add_row("lost", _counts(_losses(recorder)))
    if versions := _counts(_versions(recorder)):
        table.add_row("served by", versions)
    table.add_row("latency", latency_line(recorder.latency))
    if summary.lateness.count:
        table.add_row("sending", _sending(summary.lateness, recorder.latency))
    return table


def live_view(window: Window, issued: int, seconds: float, goal: str) -> Group:
    """A run that goes on: shares of the whole run and, beside them, of the last seconds."""
    from rich.console import Group

    recorder = window.recorder
    table = _lines()
    table.add_row("running", f"{seconds:.1f} s {goal}")
    table.add_row("requests", _requests(recorder, issued, seconds))
    table.add_row("latency", latency_line(recorder.latency))
    return Group(table, _shares(recorder.copy(), window)) if recorder.ended_count else Group(table)


def progress_line(window: Window, seconds: float) -> str:
    """The last seconds in one line, for logs and pipes."""
    recent = window.counts
    shares = [*_versions(recent), *_statuses(recent), *_losses(recent)]
    ended = " · ".join(f"{name} {_percent(share)}" for name, _, share in shares) or "no request ended"
    rate = recent.answered / window.seconds if window.seconds else 0.0
    return f"{seconds:.0f} s: {rate:,.1f} answers/s in the last {window.seconds:.0f} s: {ended}"


def _shares(total: Counts, window: Window) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 1), pad_edge=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for heading in ("all", "", f"last {window.seconds:.0f} s", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for title, shares_of in (("answers", _statuses), ("lost", _losses), ("served by", _versions)):
        recent = {name: (count, share) for name, count, share in shares_of(window.counts)}
        for row, (name, count, share) in enumerate(shares_of(total)):
            recent_count, recent_share = recent.get(name, (0, 0.0))
            table.add_row(
                "" if row else title,
                name,
                f"{count:,}",
                _percent(share),
                f"{recent_count:,}",
                _percent(recent_share),
            )
    return table


def _lines() -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 1, 0, 1), pad_edge=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table


def _requests(recorder: Recorder, issued: int, seconds: float) -> str:
    rate = recorder.answered / seconds if seconds else 0.0
    ended = recorder.ended_count
    good = f"{_percent(recorder.good / ended)} good (status below 400)" if ended else "none ended yet"
    return f"{issued:,} sent, {recorder.answered:,} answered ({rate:,.1f}/s), {good}"


def _statuses(counts: Counts) -> list[Share]:
    return [
        (str(status), count, count / counts.answered)
        for status, count in sorted(dict(counts.statuses).items())
    ]


def _losses(counts: Counts) -> list[Share]:
    losses = dict(counts.losses)
    total = sum(losses.values())
    return [(f"{loss} ({loss.meaning})", count, count / total) for loss, count in sorted(losses.items())]


def _versions(counts: Counts) -> list[Share]:
    return [(name, count, count / counts.answered) for name, count in counts.versions().items()]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _counts(shares: Iterable[Share]) -> str:
    """All in one line, or one per line if the terminal would break the line at any place."""
    parts = [f"{name}: {count:,} ({_percent(share)})" for name, count, share in shares]
    line = " · ".join(parts)
    return line if len(line) <= WIDTH else "\n".join(parts)


def latency_line(values: Histogram) -> str:
    """Percentiles in one line, without those that equal the maximum of so few values."""
    if not values.count:
        return "no data"
    parts = [
        f"p{percent:g} {duration(values.percentile(percent) or 0)}" for percent in _meaningful(values, SHOWN)
    ]
    return " · ".join([*parts, f"max {duration(values.greatest)}"])


def _meaningful(values: Histogram, percents: Iterable[float]) -> list[float]:
    """The percentiles that are not just the maximum: the 99th of 40 values is."""
    return [percent for percent in percents if round(values.count * (100 - percent), 6) >= 100]


def _sending(lateness: Histogram, latency: Histogram) -> str:
    """Whether the schedule was kept, as far as it affects the percentiles of the latency.

    It does if requests were sent so late that 2 ms or more, and a quarter or more of a percentile, may be the
    delay of this machine. One late request among few changes only the maximum.
    """
    for percent in _meaningful(lateness, (50.0, 90.0, 99.0)):
        late = lateness.percentile(percent) or 0
        if late >= max(LATE, LATE_SHARE * (latency.percentile(percent) or 0)):
            return (
                f"behind schedule: {100 - percent:g} % of the requests were sent {duration(late)} late or "
                f"later, so up to this much of p{percent:g} is the delay of this machine. "
                "Lower --rate, or run less beside it"
            )
    if _meaningful(lateness, (99.0,)):
        tail = f"99 % at most {duration(lateness.percentile(99) or 0)} late, "
        return f"on schedule: {tail}the latest {duration(lateness.greatest)}"
    return f"on schedule: the latest {duration(lateness.greatest)} late"


def duration(nanoseconds: int) -> str:
    """A time for people, three digits.

    >>> duration(412_000), duration(3_120_000), duration(1_500_000_000)
    ('0.412 ms', '3.12 ms', '1.5 s')
    """
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.3g} ms"
    return f"{nanoseconds / 1e9:.3g} s"
