"""The exercises: untouched ones FAIL, solutions PASS, and wrong attempts FAIL with hints of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from loadgen.http1 import Target
from loadgen.meshstate import MeshApi
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener
from localmesh.manifests import Resource, load_text
from localmesh.runtime.changes import merged
from tests.live import ROOT, loaded
from tests.proof_mesh import MEASUREMENTS, ProofMesh
from workshop import observing
from workshop.exercise import Exercise
from workshop.grading import Grade, grade
from workshop.loading import load_all

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("exercises")]

EXERCISES = load_all(ROOT / "workshop")
IN_EVERY_TEST_RUN = {
    *("authz-1", "by-header-1", "canary-1", "gateway-1", "gateway-2", "jwt-1", "mtls-1"),
    *("break-1", "break-4", "break-10"),
}
"""Those that need few requests, and do not start pods."""
FEWER_DETECT = 2 * observing.DETECTED_SHARE
"""Every test run sends a quarter of the requests: these mistakes are far from the solutions."""
UNTOUCHED, SOLVED = "untouched", "solved"


def attempts() -> Iterator[tuple[Exercise, str]]:
    """Every state of every exercise that has to be graded."""
    for exercise in EXERCISES:
        for state in (UNTOUCHED, SOLVED, *(mistake.name for mistake in exercise.mistakes)):
            yield exercise, state


def parameters() -> Iterator[Any]:
    """All of them; `make test` grades those of some exercises."""
    for exercise, state in attempts():
        marks = () if exercise.name in IN_EVERY_TEST_RUN else (pytest.mark.exercise,)
        yield pytest.param(exercise, state, id=f"{exercise.name}-{state}", marks=marks)


def resources(exercise: Exercise, state: str) -> list[Resource]:
    """What is applied in this state."""
    start = list(loaded(exercise.start).resources)
    text = attempt(exercise, state)
    return merged(start, map(named, load_text(text, state, "sentimesh").resources)) if text else start


def attempt(exercise: Exercise, state: str) -> str:
    """The manifests that are added to the start; none if it is untouched."""
    wrong = {mistake.name: exercise.wrong_attempt(mistake) for mistake in exercise.mistakes}
    return {UNTOUCHED: "", SOLVED: exercise.solution, **wrong}[state]


def named(resource: Resource) -> Resource:
    """A resource whose body names its namespace, as kubectl adds it."""
    metadata = {**resource.body["metadata"], "namespace": resource.namespace}
    return replace(resource, body={**resource.body, "metadata": metadata})


def graded(mesh: ProofMesh, exercise: Exercise) -> Grade:
    """The grade of what the mesh does, measured again where the machine was too busy for a verdict."""
    with MeshApi(mesh.api, "sentimesh") as api:
        for _ in range(MEASUREMENTS):
            context = ProofContext(api, Target.from_url(api.gateway()), listener(exercise.name))
            outcome = grade(exercise, context)
            if outcome.result.verdict != "INCONCLUSIVE":
                break
    return outcome


@pytest.mark.parametrize(("exercise", "state"), list(parameters()))
def test_an_exercise_tells_the_solution_from_mistakes(
    mesh: ProofMesh, exercise: Exercise, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the solution passes, and the hint for a mistake is its own."""
    if exercise.name in IN_EVERY_TEST_RUN:
        monkeypatch.setattr(observing, "DETECTED_SHARE", FEWER_DETECT)
    mesh.apply(resources(exercise, state))

    outcome = graded(mesh, exercise)

    assert_told(outcome, state)


def assert_told(outcome: Grade, state: str) -> None:
    """The verdict is that of the state, and only a mistake is recognised."""
    expected = None if state in (UNTOUCHED, SOLVED) else state
    recognised = None if outcome.mistake is None else outcome.mistake.name
    reasons = [f"{one.name} {one.verdict}: {one.reason}" for one in outcome.result.checks]
    assert (outcome.result.verdict, recognised) == ("PASS" if state == SOLVED else "FAIL", expected), reasons
