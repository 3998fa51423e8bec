"""`$(VAR)` expansion."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from localmesh.runtime.workloads.rewriting import expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(HOST):$(PORT)", "logic:80"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(HOST)", "$(HOST)"),
        ("$$$(HOST)", "$logic"),
        ("$$$$", "$$"),
        ("$HOST", "$HOST"),
        ("$(HOST", "$(HOST"),
        ("100$", "100$"),
        ("$(A)", "$(HOST)"),
    ],
)
def test_references_expand_as_in_kubernetes(text: str, expected: str) -> None:
    """Known references are replaced once, unknown ones stay, a doubled dollar sign escapes."""
    assert expand(text, {"HOST": "logic", "PORT": "80", "A": "$(HOST)"}) == expected


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_text_without_dollar_signs_stays(text: str, values: dict[str, str]) -> None:
    """Only a dollar sign begins a reference."""
    assume("$" not in text)

    assert expand(text, values) == text
