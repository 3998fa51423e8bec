"""Tests that load or time a whole application run one at a time, as two cores are too few for two of them.

Tests that send a few requests and do not measure time run in parallel with them (`application-calm`).
"""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("application")
def test_the_group_of_an_application_is_recognized(request: pytest.FixtureRequest) -> None:
    """pytest-xdist groups tests by this suffix, which some versions of pytest do not add."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests are not distributed by group")

    assert request.node.nodeid.endswith("@application")
