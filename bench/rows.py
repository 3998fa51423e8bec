"""The rows of the table of `make bench`, and how busy the machine was."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

_HEAD = ("what", "now", "bar", "peer", "ratio")
_BUSY_PERCENT = 15
NOT_MEASURED = "not measured:"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it is, its bar, and the same of a peer, if there is one."""

    what: str
    now: str
    bar: str = ""
    holds: bool | None = None
    peer: str = ""
    ratio: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of the table."""
        bar = f"{self.bar} MISSED" if self.holds is False else self.bar
        return self.what, self.now, bar, self.peer, self.ratio


def at_most(what: str, now: float, bar: float, unit: str, digits: int = 0) -> Row:
    """A figure that is good if it is small."""
    return Row(what, _text(now, unit, digits), f"≤ {bar:,g} {unit}", now <= bar)


def plain(what: str, now: float, unit: str, digits: int = 0) -> Row:
    """A figure without a bar."""
    return Row(what, _text(now, unit, digits))


def _text(number: float, unit: str, digits: int) -> str:
    return f"{number:,.{digits}f} {unit}"


def spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    """The smallest, the median and the largest of several values."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return (
        f"{low:.{digits}f}, {middle:.{digits}f}, {high:.{digits}f} {unit} (min, median, max of {len(values)})"
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in columns; the reasons why something was not measured are not as wide as a column."""
    lines = [_HEAD, *(row.cells for row in rows)]
    measured = [line for line in lines if not line[1].startswith(NOT_MEASURED)]
    widths = [max(len(line[column]) for line in measured) for column in range(len(_HEAD))]
    widths[0] = max(len(line[0]) for line in lines)
    printed = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    ]
    return "\n".join(line.rstrip() for line in printed)


def not_measured(what: str, reason: str) -> Row:
    """A row that says why there is no figure."""
    return Row(what, f"{NOT_MEASURED} {reason}")


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU time in seconds: of all processors, that during which they were busy, and that of this process."""

    total: float
    busy: float
    own: float

    @staticmethod
    def now() -> Machine:
        """The times until now; that of this process includes children that have ended."""
        times = psutil.cpu_times()
        waiting = times.idle + getattr(times, "iowait", 0.0)
        # time of guests is also user time; Linux counts it twice
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        own = os.times()
        return Machine(
            total, total - waiting, own.user + own.system + own.children_user + own.children_system
        )

    def state(self) -> str:
        """How busy other programs have kept the machine since then, in one line."""
        end = Machine.now()
        others = (end.busy - self.busy) - (end.own - self.own)
        used = 100 * max(others, 0.0) / max(end.total - self.total, 0.01)
        state = "quiet"
        if used > _BUSY_PERCENT:
            state = "busy: times are longer than on a quiet machine; compare ratios and CPU times"
        return f"machine: {os.cpu_count()} processors, {used:.0f} % of them used by other programs: {state}"
