"""Tests that load or time a whole application have priority: two cores are too few for anything beside them.

`make test` runs all others in parallel, with what these leave of the processors. Those that send a few
requests to an application and do not measure time (`application-calm`, `workshop`, `live-page`, `exercises`)
are among them, each group with a mesh of its own.
"""

from __future__ import annotations

import os

import pytest

from conftest import APPLICATION, LOWEST_PRIORITY


@pytest.fixture(autouse=True)
def _parallel(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests are not distributed by group")


@pytest.mark.xdist_group(APPLICATION)
def test_tests_of_an_application_have_priority() -> None:
    """They are the first ones of their process, since a process cannot raise its priority again."""
    assert os.nice(0) < LOWEST_PRIORITY


@pytest.mark.xdist_group("application-calm")
def test_all_others_have_the_lowest(request: pytest.FixtureRequest) -> None:
    """pytest-xdist groups tests by this suffix, which some versions of pytest do not add."""
    assert os.nice(0) == LOWEST_PRIORITY
    assert request.node.nodeid.endswith("@application-calm")
