"""The answer of an apply or delete as text."""

from __future__ import annotations

from typing import Any

import pytest

from localmesh.cli.output import changes_text

NOTHING: dict[str, Any] = {
    "added": [],
    "changed": [],
    "removed": [],
    "ignored": [],
    "missing": [],
    "proxies": 3,
    "seconds": 0.02,
}


@pytest.mark.parametrize(
    ("proxies", "missing", "count"),
    [
        (1, [], "the only proxy"),
        (3, [], "all 3 proxies"),
        (1, ["web-v1"], "0 of 1 proxies"),
        (3, ["web-v1"], "2 of 3 proxies"),
    ],
)
def test_the_proxies_that_have_acknowledged_are_counted(proxies: int, missing: list[str], count: str) -> None:
    answer = NOTHING | {"changed": ["VirtualService shop/web"], "proxies": proxies, "missing": missing}

    lines = changes_text(answer).splitlines()

    assert lines[:2] == ["changed  VirtualService shop/web", f"acknowledged by {count} after 20 ms"]
    assert lines[2:] == [f"not connected, updated when they connect: {name}" for name in missing]


def test_nothing_is_acknowledged_where_nothing_changed() -> None:
    """Also where something was ignored."""
    assert changes_text(NOTHING) == "nothing changed"
    assert changes_text(NOTHING | {"ignored": ["Telemetry shop/t"]}).splitlines() == [
        "nothing changed",
        "ignored  Telemetry: no effect without a cluster",
    ]
