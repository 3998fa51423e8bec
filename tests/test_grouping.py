"""Tests that time a loaded application run alone, as two cores are too few for anything beside them.

`make test` runs all others first, in parallel. Those that judge no times (`application-shares`,
`application-calm`, `workshop`, `live-page`, `exercises`) are among them, each group with a mesh of its own.
"""

from __future__ import annotations

import pytest

from conftest import APPLICATION


@pytest.mark.xdist_group(APPLICATION)
def test_tests_of_an_application_are_timed(request: pytest.FixtureRequest) -> None:
    """The marker is added to all of them, so that none is forgotten."""
    assert request.node.get_closest_marker("timed") is not None


@pytest.mark.xdist_group("application-calm")
def test_the_group_of_a_test_is_recognized(request: pytest.FixtureRequest) -> None:
    """pytest-xdist groups tests by this suffix, which some versions of pytest do not add."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests are not distributed by group")

    assert request.node.get_closest_marker("timed") is None
    assert request.node.nodeid.endswith("@application-calm")
