"""Text that several commands print."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any


def terminal_width() -> int:
    """The columns of the terminal, or as many as COLUMNS says; else 100."""
    return shutil.get_terminal_size((100, 24)).columns


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be.

    >>> print(table(["A", "B"], [["long", "x"]]))
    A     B
    long  x
    """
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (headings, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)


def changes_text(answer: Mapping[str, Any]) -> str:
    """What an apply or delete has changed, and which proxies have acknowledged it."""
    changed = [f"{verb:<8} {subject}" for verb in ("added", "changed", "removed") for subject in answer[verb]]
    lines = [*changed] or ["nothing changed"]
    if answer["ignored"]:
        kinds = sorted({subject.split()[0] for subject in answer["ignored"]})
        lines.append(f"ignored  {', '.join(kinds)}: no effect without a cluster")
    missing, proxies = answer["missing"], answer["proxies"]
    if changed:
        count = f"{proxies - len(missing)} of {proxies}" if missing else f"all {proxies}"
        proxies_text = "the only proxy" if proxies == 1 and not missing else f"{count} proxies"
        lines.append(f"acknowledged by {proxies_text} after {answer['seconds'] * 1000:.0f} ms")
    if missing:
        lines.append(f"not connected, updated when they connect: {', '.join(missing)}")
    return "\n".join(lines)
