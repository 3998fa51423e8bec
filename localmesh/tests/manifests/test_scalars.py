"""Unquoted scalars of YAML, as kubectl reads them."""

import pytest

from localmesh.manifests.scalars import plain_scalar


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("80", 80),
        ("-5", -5),
        ("0x1F", 31),
        ("0644", 420),
        ("0o17", 15),
        ("0b101", 5),
        ("1_000", 1000),
        ("1.10", 1.1),
        ("1.", 1),
        ("100.0", 100),
        ("1e3", 1000),
        ("12e4567", "12e4567"),
        ("123456789012345678901", 123456789012345683968),
        ("1.2.3", "1.2.3"),
        ("08", 8),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("yesterday", "yesterday"),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", ".inf"),
        ("v1", "v1"),
        ("-", "-"),
    ],
)
def test_a_scalar_has_its_value_in_kubernetes(word: str, value: object) -> None:
    """go-yaml and PyYAML differ here: exponents, times, dates, y and n."""
    parsed = plain_scalar(word)

    assert (parsed, type(parsed)) == (value, type(value))
