"""Which tests of a scenario run beside others.

Each group has a process and a mesh of its own. Most proofs judge shares and counts: a busy machine makes them
slower, not wrong. Those that judge when something happens, or fill a queue before it empties, run alone.
"""

from __future__ import annotations

import pytest

from conftest import APPLICATION
from tests.scenarios import security

TIMED = {
    "circuit-breaker",
    "fault-injection",
    "locality-failover",
    "outlier-detection",
    "retry",
    "retry-naive",
    "timeout",
}
"""Scenarios with checks of deadlines, delays, ejections or overload."""
FEW_REQUESTS = {"header-operations", "rate-limit", *(case.scenario for case in security.CASES)}
"""Scenarios whose proofs send few requests."""
SHARES = "application-shares"
CALM = "application-calm"


def group_of(scenario: str) -> pytest.MarkDecorator:
    """The group of the tests of a scenario, as a mark."""
    name = APPLICATION if scenario in TIMED else CALM if scenario in FEW_REQUESTS else SHARES
    return pytest.mark.xdist_group(name)
