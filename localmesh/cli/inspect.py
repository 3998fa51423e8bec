"""What a running mesh looks like, as text."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_FOLLOW_SECONDS = 0.2


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


def status_text(status: Mapping[str, Any]) -> str:
    """The state of a mesh for people."""
    pods = [
        [
            pod["namespace"],
            pod["name"],
            pod["state"],
            str(pod["restarts"]),
            {True: "synced", False: "not synced", None: "no sidecar"}[pod["proxySynced"]],
            ", ".join(f"{declared} at {real}" for declared, real in pod["ports"].items()),
        ]
        for pod in status["pods"]
    ]
    parts = [table(["NAMESPACE", "POD", "STATE", "RESTARTS", "PROXY", "PORTS"], pods)]
    gateways = [[name, *port] for name, ports in status["gateways"].items() for port in ports.items()]
    if gateways:
        parts.append(table(["GATEWAY", "PORT", "ADDRESS"], gateways))
    if status["notIntercepted"]:
        parts.append("not intercepted (no HTTP): " + ", ".join(status["notIntercepted"]))
    if status["ignored"]:
        ignored = ", ".join(f"{count} {kind}" for kind, count in status["ignored"].items())
        parts.append(f"ignored (mean nothing without a cluster): {ignored}")
    return "\n\n".join(parts)


def applied_text(applied: Mapping[str, Any]) -> str:
    """What an apply has changed, and who knows of it."""
    lines = [f"{what:<8} {subject}" for what in ("added", "changed", "removed") for subject in applied[what]]
    lines = lines or ["nothing changed"]
    if applied["ignored"]:
        kinds = sorted({subject.split()[0] for subject in applied["ignored"]})
        lines.append(f"ignored  {', '.join(kinds)}: they mean nothing without a cluster")
    missing, proxies = applied["missing"], applied["proxies"]
    who = f"{proxies - len(missing)} of {proxies}" if missing else f"all {proxies}"
    lines.append(f"acknowledged by {who} proxies after {applied['seconds'] * 1000:.0f} ms")
    if missing:
        lines.append(f"not there yet, told when they come: {', '.join(missing)}")
    return "\n".join(lines)


def lines_of(file: Path, *, last: int, follow: bool) -> Iterator[str]:
    """The last lines of a log; with `follow` also what is written from now on, without end."""
    with file.open("rb") as log:
        yield from map(_decoded, deque(log, maxlen=last))
        while follow:
            if file.stat().st_size < log.tell():  # a new mesh has begun it anew
                log.seek(0)
            line = log.readline()
            if line:
                yield _decoded(line)
            else:
                time.sleep(_FOLLOW_SECONDS)


def _decoded(line: bytes) -> str:
    return line.decode(errors="replace")
