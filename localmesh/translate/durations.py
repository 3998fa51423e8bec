"""Durations: written in Go's syntax in manifests, in protobuf's JSON form towards Envoy."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "ns": Decimal(1),
    "us": Decimal(10) ** 3,
    "µs": Decimal(10) ** 3,
    "ms": Decimal(10) ** 6,
    "s": Decimal(10) ** 9,
    "m": Decimal(60) * 10**9,
    "h": Decimal(3600) * 10**9,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int:
    """The length of a Go duration such as ``1m30s`` or ``0.5s``; ValueError if it is none.

    >>> nanoseconds("1.5s")
    1500000000
    """
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError(f"{text!r} is not a duration such as 1.5s, 100ms or 1h30m")
    return sign * int(sum(Decimal(number) * _UNITS[unit] for number, unit in parts))


def duration(text: str) -> str:
    """A Go duration in protobuf's JSON form: seconds with 0, 3, 6 or 9 decimals.

    >>> duration("500ms"), duration("2m"), duration("1500us")
    ('0.500s', '120s', '0.001500s')
    """
    seconds, rest = divmod(nanoseconds(text), 10**9)
    if not rest:
        return f"{seconds}s"
    decimals = f"{rest:09d}"
    while decimals.endswith("000"):
        decimals = decimals[:-3]
    return f"{seconds}.{decimals}s"
