"""Durations as Go writes them: `500ms`, `1.5s`, `1h30m`."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"([-+]?)((?:{_PART.pattern})+|0)\Z")
_LONGEST = 2**63 - 1


def nanoseconds(text: str) -> int | None:
    """The length of a duration in nanoseconds, None if it is malformed or too long.

    >>> nanoseconds("1.5s"), nanoseconds("-1m30s"), nanoseconds("0"), nanoseconds("5")
    (1500000000, -90000000000, 0, None)
    """
    whole = _WHOLE.match(text)
    if whole is None:
        return None
    length = sum(int(Decimal(number) * _UNITS[unit]) for number, unit in _PART.findall(whole[2]))
    if length > _LONGEST:
        return None
    return -length if whole[1] == "-" else length


def is_duration(text: str) -> bool:
    """Whether Istio accepts the text as a duration: whole milliseconds, at least one."""
    length = nanoseconds(text)
    return length is not None and length >= _UNITS["ms"] and length % _UNITS["ms"] == 0
