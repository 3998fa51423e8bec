"""Shared by all tests: the option that updates golden files."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`."""
    parser.addoption("--update-golden", action="store_true", help="update the expected files of golden tests")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to write golden files instead of comparing with them."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True)
def _without_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands wrap their output as where COLUMNS is not set: pytest-xdist sets it for its workers."""
    monkeypatch.delenv("COLUMNS", raising=False)
