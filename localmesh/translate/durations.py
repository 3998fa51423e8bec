"""Durations in protobuf's JSON form, towards Envoy."""

from __future__ import annotations

from localmesh.formats.durations import nanoseconds

_SECOND = 10**9


def duration(text: str) -> str:
    """A Go duration in protobuf's JSON form: seconds with 0, 3, 6 or 9 decimals; ValueError if it is none.

    >>> duration("500ms"), duration("2m"), duration("1500us")
    ('0.500s', '120s', '0.001500s')
    """
    seconds, rest = divmod(_nanoseconds(text), _SECOND)
    if not rest:
        return f"{seconds}s"
    decimals = f"{rest:09d}"
    while decimals.endswith("000"):
        decimals = decimals[:-3]
    return f"{seconds}.{decimals}s"


def whole_seconds(text: str) -> int:
    """A Go duration in seconds, the rest cut off; ValueError if it is none."""
    return _nanoseconds(text) // _SECOND


def _nanoseconds(text: str) -> int:
    length = nanoseconds(text)
    if length is None:
        raise ValueError(f"{text!r} is not a duration")  # the loader refuses such manifests before
    return length
