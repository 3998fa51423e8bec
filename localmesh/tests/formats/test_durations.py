"""Durations in Go's syntax."""

import pytest

from localmesh.formats.durations import is_duration, nanoseconds


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1ms", 1_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1h30m", 5_400_000_000_000),
        ("+2s", 2_000_000_000),
        ("-2s", -2_000_000_000),
        ("0", 0),
        ("10µs", 10_000),
    ],
)
def test_a_duration_has_a_length(text: str, length: int) -> None:
    """The sum of its parts, with fractions and an optional sign."""
    assert nanoseconds(text) == length


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "5sec", "1d", "1s ", "one", "9" * 30 + "h"])
def test_what_go_cannot_parse_is_not_a_duration(text: str) -> None:
    """Numbers need units, and there is no unit for days."""
    assert nanoseconds(text) is None


@pytest.mark.parametrize(
    ("text", "accepted"),
    [("1ms", True), ("1h", True), ("0s", False), ("-1s", False), ("999us", False), ("1.5ms", False)],
)
def test_istio_accepts_whole_milliseconds(text: str, accepted: bool) -> None:
    """At least one; without the field there is no timeout."""
    assert is_duration(text) is accepted
