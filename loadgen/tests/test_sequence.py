"""Several proofs in a row: each on its own overlay, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from loadgen.errors import NotReachable, Refused
from loadgen.http1 import Target
from loadgen.proofs.common.proof import ProofContext, Result
from loadgen.prove.sequence import prove_overlays, restored, wait_until_idle
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Cause, Check, Verdict
from loadgen.tests.made_up import EmptyNamespace, holds, made_up
from loadgen.tests.servers import closed_port


@dataclass
class FakeStage:
    """Notes what is applied; `refused` names overlays it does not take, with the error to raise."""

    refused: dict[str, BaseException] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    remembered: bool = True

    def save(self) -> None:
        self.applied.append("save")

    def apply(self, overlay: Path) -> None:
        if overlay.name in self.refused:
            raise self.refused[overlay.name]
        self.applied.append(overlay.name)

    def restore(self) -> bool:
        if "before" in self.refused:
            raise self.refused["before"]
        self.applied.append("before")
        return self.remembered


@dataclass
class FakeApi:
    """The API of a mesh whose pods have so many requests under way, at one question after the other."""

    under_way: list[float]

    def pods(self) -> list[dict]:
        ports = [{"containerPort": 9102}]
        pod = {
            "metadata": {"name": "a"},
            "spec": {"containers": [{"ports": ports}]},
            "status": {"phase": "Running"},
        }
        leaving = {**pod, "metadata": {"name": "b", "deletionTimestamp": "now"}}
        other = {**pod, "spec": {"containers": [{}]}}
        return [pod, leaving, other]

    def pod_text(self, pod: str, port: int, path: str) -> str:
        assert (pod, port, path) == ("a", 9102, "metrics")
        return f"sentimesh_http_requests_in_flight {self.under_way.pop(0)}\n"


def proven(stage: FakeStage, **proofs: Callable[[ProofContext], list[Check]]) -> list[Result]:
    """The results of these proofs, each with an overlay of its name."""
    api = EmptyNamespace(f"http://127.0.0.1:{closed_port()}", "sentimesh")
    made = [made_up(prove, name) for name, prove in proofs.items()]
    overlays = {name: Path(name) for name in proofs}
    return list(
        prove_overlays(
            made,
            overlays,
            stage,
            lambda proof: ProofContext(api, Target("127.0.0.1", 1), listener(proof.scenario)),
        )
    )


def outcomes(results: list[Result]) -> dict[str, Verdict]:
    return {result.scenario: result.verdict for result in results}


def test_each_proof_has_its_own_overlay():
    """Applied right before it, in order."""
    stage = FakeStage()

    def sees(overlay: str) -> Callable[[ProofContext], list[Check]]:
        return lambda bench: holds(bench) if stage.applied[-1] == overlay else []

    results = proven(stage, first=sees("first"), second=sees("second"))

    assert outcomes(results) == {"first": Verdict.PASS, "second": Verdict.PASS}
    assert all(result.seconds > 0 for result in results)


def test_an_overlay_that_is_refused_fails_its_scenario_alone():
    """With the words of who refused it; the next one has its turn."""
    stage = FakeStage(refused={"first": Refused("no such field")})

    results = proven(stage, first=holds, second=holds)

    assert outcomes(results) == {"first": Verdict.FAIL, "second": Verdict.PASS}
    assert results[0].checks[0].reason == "no such field"


def test_a_mesh_that_does_not_answer_is_not_a_verdict_on_the_scenario():
    """Nothing is known of it."""
    stage = FakeStage(refused={"first": NotReachable("does not answer")})

    results = proven(stage, first=holds, second=holds)

    assert outcomes(results) == {"first": Verdict.INCONCLUSIVE, "second": Verdict.PASS}
    assert [result.unreachable for result in results] == [True, False]
    assert results[0].checks[0].cause is Cause.UNREACHABLE


def test_a_pod_that_cannot_be_asked_is_no_verdict_on_the_overlay():
    """The overlay was taken; what the proof would have found is not known."""

    def asks(_: ProofContext) -> list[Check]:
        raise Refused("the pod answers 503")

    (result,) = proven(FakeStage(), first=asks)

    assert (result.verdict, result.unreachable) == (Verdict.INCONCLUSIVE, True)


def test_ctrl_c_leaves_the_rest_inconclusive():
    """Each result says so, so that a scenario that was not proven does not look passed."""
    results = proven(
        FakeStage(refused={"second": KeyboardInterrupt()}), first=holds, second=holds, third=holds
    )

    assert outcomes(results) == {
        "first": Verdict.PASS,
        "second": Verdict.INCONCLUSIVE,
        "third": Verdict.INCONCLUSIVE,
    }
    assert "Ctrl-C" in results[2].checks[0].reason
    assert results[1].checks[0].cause is results[2].checks[0].cause is Cause.INTERRUPTED


def test_the_previous_configuration_is_restored_even_after_an_error():
    """Remembered before the first overlay, applied after the last."""
    stage = FakeStage(refused={"an-overlay": RuntimeError()})

    with pytest.raises(RuntimeError), restored(stage, print):
        stage.apply(Path("an-overlay"))

    assert stage.applied == ["save", "before"]


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        (FakeStage(refused={"before": NotReachable("it is gone")}), "could not be restored: it is gone"),
        (FakeStage(remembered=False), "the last overlay stays"),
    ],
)
def test_what_cannot_be_put_back_is_said(stage: FakeStage, sentence: str):
    """In one sentence, and the verdicts stand."""
    messages: list[str] = []

    with restored(stage, messages.append):
        pass

    assert len(messages) == 1
    assert sentence in messages[0]


def test_nothing_is_applied_while_requests_are_under_way():
    """As the pods count them; those that leave and those that do not count are not asked."""
    api = FakeApi([2, 1, 0, 7])

    wait_until_idle(api)

    assert api.under_way == [7]
