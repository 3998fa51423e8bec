"""The lines of pods' logs that tell of a proof's own requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.errors import NotReachable
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import MeshApi
from loadgen.proofs.common.foreign_traffic import EntryCounter, own_log_lines

SENT = Measurement([Observation(0, 200, (), 0.01, request_id="mine"), Observation(1, None, (), 0.01)])


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
            {"request_id": "another", "outcome": "error"},
            {"request_id": None, "outcome": "error"},
            {"request_id": "mine", "event": "something else"},
            {"outcome": "error"},
        ]
        return "\n".join(json.dumps({**line, "pod": pod["metadata"]["name"]}) for line in lines)


@pytest.fixture
def api() -> OnePodEach:
    return OnePodEach("http://127.0.0.1:1", "shop")


def test_only_outcomes_of_own_requests_are_taken(api: OnePodEach) -> None:
    """Of every version that is asked for; a request that was lost without an id claims no line."""
    lines = own_log_lines(api, "logic", ["v1", "v2"], SENT)

    assert lines == [
        {"request_id": "mine", "outcome": "error", "pod": f"logic-{version}"} for version in ("v1", "v2")
    ]


def test_a_log_that_cannot_be_read_is_no_empty_one(api: OnePodEach, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known then, which is not the same as that nothing came."""
    monkeypatch.setattr(OnePodEach, "readable", False)

    assert own_log_lines(api, "logic", ["v2"], SENT) is None


class Counting(MeshApi):
    """One pod of webapp that has answered so many sentences, then so many, …; None cannot be read."""

    def __init__(self, *answered: int | None) -> None:
        super().__init__("http://127.0.0.1:1", "shop")
        self._answered = list(answered)

    def pods(self, **_: str) -> Any:
        return [{"metadata": {"name": "webapp-v1-1"}, "status": {"phase": "Running"}}]

    def pod_text(self, *_: Any) -> str:
        answered = self._answered.pop(0)
        if answered is None:
            raise NotReachable("no metrics")
        return (
            f'sentimesh_http_requests_total{{route="/sentiment",status="200"}} {answered}.0\n'
            'sentimesh_http_requests_total{route="/about",status="200"} 7.0\n'
        )


@pytest.mark.parametrize(
    ("before", "after", "foreign"), [(10, 12, 0), (10, 17, 5), (10, 11, 0), (None, 17, 0), (10, None, 0)]
)
def test_foreign_requests_are_those_beyond_the_ones_sent(
    before: int | None, after: int | None, foreign: int
) -> None:
    """Two were sent; where the counter cannot be read, nothing is known."""
    entry = EntryCounter.read(Counting(before, after))

    assert entry.foreign_requests(SENT) == foreign
