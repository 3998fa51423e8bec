"""Which texts are expressions of CEL."""

from __future__ import annotations

import pytest

from localmesh.formats.cel import CelSyntaxError, check


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "response.code >= 400 && !(connection.mtls || false)",
        'request.headers["x-a"] == "b" ? 1.5e3 : -2u',
        '"a" in request.headers && request.url_path.startsWith("/a")',
        "[1, 2, 3].exists(x, x > 2) // a comment",
        "{'a': 1, 'b': [2]}['a'] == 0x1F",
        r"r'\d+' + '''a 'quoted' text'''",
        "google.protobuf.Duration{seconds: 5}",
        ".has(request.id)",
        "- - 1",
        'has(request.headers["?:"])',
    ],
)
def test_an_expression_is_accepted(text: str) -> None:
    """Operators, calls, members, lists, maps, messages, texts and comments."""
    check(text)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("response.code >=", 16),
        ("response.code => 4", 14),
        ("a b", 2),
        ("(a", 2),
        ("a ? b", 5),
        ("a.1", 1),
        ("if == 1", 0),
        ("'open", 0),
        ("a & b", 2),
        ("[1 2]", 3),
        ("{1}", 2),
        ("'in' 'in'", 5),
    ],
)
def test_what_is_no_expression_is_refused_with_its_position(text: str, position: int) -> None:
    """The error says at which character, counted from 0."""
    with pytest.raises(CelSyntaxError) as refused:
        check(text)

    assert refused.value.position == position


def test_nesting_is_bounded() -> None:
    """A text cannot exhaust the stack."""
    with pytest.raises(CelSyntaxError):
        check("(" * 10_000 + "1" + ")" * 10_000)
