"""Tests that load or time a whole application run one at a time, as two cores are too few for two of them.

Tests that send a few requests and do not measure time run in parallel with them (`application-calm`), like
all other tests: with lower priority. A browser that is busy for long would not: its processes have sessions
of their own, among which Linux shares the processor first (sched(7), "The autogroup feature").
"""

from __future__ import annotations

import os

import pytest

from conftest import LOWER_PRIORITY


@pytest.mark.xdist_group("application")
def test_the_group_of_an_application_is_recognized(request: pytest.FixtureRequest) -> None:
    """pytest-xdist groups tests by this suffix, which some versions of pytest do not add."""
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("the tests are not distributed by group")

    assert request.node.nodeid.endswith("@application")


def test_other_tests_have_a_lower_priority() -> None:
    """Where several processes run tests."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("the tests are not distributed")

    assert os.nice(0) >= LOWER_PRIORITY
