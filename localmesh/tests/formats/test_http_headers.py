"""Header names and values."""

import pytest

from localmesh.formats.http_headers import is_header_name, value_fault


def test_header_names_are_tokens() -> None:
    """No spaces, no colons, not empty."""
    names = ["x-user", "X_User", "a b", ":path", "", "é"]

    assert [is_header_name(name) for name in names] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    "value", ["", "plain", "100%%", "%REQ(x-user)%", "a %DURATION% b", "%START_TIME(%s)%"]
)
def test_text_and_command_operators_are_values(value: str) -> None:
    """A double percent sign is a literal one."""
    assert value_fault(value) is None


@pytest.mark.parametrize("value", ["10 %", "%", "%user%", "%REQ(x-user)", "a\nb", "\x00"])
def test_single_percent_signs_and_control_characters_are_rejected(value: str) -> None:
    """Envoy would reject the whole route configuration."""
    assert value_fault(value) is not None


def test_very_long_values_are_rejected() -> None:
    """Envoy has a limit and rejects the whole configuration above it."""
    assert value_fault("a" * 16384) is None
    assert value_fault("a" * 16385) == "it is longer than 16384 characters"
