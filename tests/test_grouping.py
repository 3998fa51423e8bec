"""Whole applications that are kept busy, or timed, are tested one at a time: two cores hold no two of them.

Those that get a few requests, and are asked what they answer and not when, run beside them
(`application-calm`).
"""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("application")
def test_the_group_of_an_application_is_seen(request: pytest.FixtureRequest) -> None:
    """pytest-xdist keeps together what has the same suffix, and some versions of pytest take none."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests are not distributed by group")

    assert request.node.nodeid.endswith("@application")
