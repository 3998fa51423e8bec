"""Shared by all tests: the option that updates golden files, and which tests have priority."""

from __future__ import annotations

import os

import pytest

APPLICATION = "application"
"""The group of the tests that load and time a whole application (tests/test_grouping.py)."""
LOWEST_PRIORITY = 19
"""The niceness of all other tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption("--update-golden", action="store_true", help="update the expected files of golden tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The application's group comes first, then other groups: a long one at the end would run alone."""
    items.sort(key=lambda item: (_group(item) != APPLICATION, not _group(item)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In parallel processes, tests of no application get what those of one leave of the processors.

    Meshes that they start have the same priority, as `make test` starts pytest with a niceness above 0:
    localmesh then gives its processes no sessions of their own, which would have equal shares (sched(7),
    autogroup).
    """
    if "PYTEST_XDIST_WORKER" in os.environ and _group(item) != APPLICATION and os.nice(0) < LOWEST_PRIORITY:
        os.nice(LOWEST_PRIORITY - os.nice(0))
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return str(marker.args[0]) if marker else ""


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to write golden files instead of comparing with them."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True)
def _without_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands wrap their output as where COLUMNS is not set: pytest-xdist sets it for its workers."""
    monkeypatch.delenv("COLUMNS", raising=False)
