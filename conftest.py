"""Shared by all tests: the option that updates golden files, and which tests run alone."""

from __future__ import annotations

from pathlib import Path

import pytest

APPLICATION = "application"
"""The group of the tests that time a loaded application: two cores are too few for anything beside them."""
TIMED_TESTS = Path(__file__).parent / "tests"
"""Where they are; to collect all other tests as well would take seconds in which nothing runs."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption("--update-golden", action="store_true", help="update the expected files of golden tests")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in groups come first: a long group at the end would run alone."""
    items.sort(key=lambda item: not _group(item))
    for item in items:
        if _group(item) == APPLICATION:
            if not item.path.is_relative_to(TIMED_TESTS):
                raise pytest.UsageError(
                    f"{item.nodeid}: `make test` looks for timed tests in {TIMED_TESTS} only"
                )
            item.add_marker(pytest.mark.timed)


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
