"""The lines of pods' logs that tell of a proof's own requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.errors import NotReachable
from loadgen.http1 import Target
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import MeshApi
from loadgen.proofs.common.foreign_traffic import own_lines
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener

TALLY = Measurement([Observation(0, 200, (), 0.01, request_id="mine"), Observation(1, None, (), 0.01)])


class OnePodEach(MeshApi):
    """A pod for each version, which have all written the same lines."""

    readable = True

    def pods(self, **labels: str) -> Any:
        return [{"metadata": {"name": f"{labels['app']}-{labels['version']}"}}]

    def pod_log(self, pod: Any, **_: Any) -> str:
        if not self.readable:
            raise NotReachable("no log")
        lines: list[dict[str, Any]] = [
            {"request_id": "mine", "outcome": "error"},
            {"request_id": "somebody-else's", "outcome": "error"},
            {"request_id": None, "outcome": "error"},
            {"request_id": "mine", "event": "something else"},
            {"outcome": "error"},
        ]
        return "\n".join(json.dumps({**line, "pod": pod["metadata"]["name"]}) for line in lines)


@pytest.fixture
def bench() -> ProofContext:
    return ProofContext(OnePodEach("http://127.0.0.1:1", "shop"), Target("gateway", 80), listener("retry"))


def test_only_outcomes_of_own_requests_are_told(bench: ProofContext) -> None:
    """Of every version that is asked for; a request that was lost without an id claims no line."""
    lines = own_lines(bench, "logic", ["v1", "v2"], TALLY)

    assert lines == [
        {"request_id": "mine", "outcome": "error", "pod": f"logic-{version}"} for version in ("v1", "v2")
    ]


def test_a_log_that_cannot_be_read_is_no_empty_one(
    bench: ProofContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is known then, which is not the same as that nothing came."""
    monkeypatch.setattr(OnePodEach, "readable", False)

    assert own_lines(bench, "logic", ["v2"], TALLY) is None
