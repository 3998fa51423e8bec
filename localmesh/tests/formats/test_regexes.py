"""Regular expressions."""

import pytest

from localmesh.formats.regexes import LONGEST, regex_fault


@pytest.mark.parametrize("pattern", [".*", "^(.*?;)?(user=jason)(;.*)?$", "(?i)^/API", r"\d+", "é"])
def test_re2_patterns_are_accepted(pattern: str) -> None:
    """With flags and character classes."""
    assert regex_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty"),
        ("*", "no argument for repetition operator"),
        ("(?=x)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a(", "missing )"),
        ("a" * (LONGEST + 1), "1025 characters"),
        ("\ud800", "not valid text"),
    ],
)
def test_what_re2_rejects_has_a_reason(pattern: str, reason: str) -> None:
    """That of RE2 if there is one."""
    assert reason in (regex_fault(pattern) or "")
