"""A class on one mesh: a namespace for each trainee, in which nobody notices the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.http1 import Target
from loadgen.meshstate import MeshApi
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener
from localmesh.catalog import build
from localmesh.manifests import Resource, load, load_text
from localmesh.runtime.changes import merged
from localmesh.tests.command_line import Finished, in_process
from tests.live import ROOT, live
from tests.test_exercises import SOLVED, attempt
from workshop.cli import main
from workshop.exercise import Exercise
from workshop.grading import Grade, grade
from workshop.loading import FOLDER, find
from workshop.namespaces import in_namespace

NAMESPACES = ("trainee-01", "trainee-02", "trainee-03")


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    """The one that the class does."""
    return find(ROOT / FOLDER, "canary-1")


@pytest.fixture(scope="module")
def resources(exercise: Exercise) -> list[Resource]:
    """The start of the exercise in every namespace."""
    loaded = []
    for namespace in NAMESPACES:
        with in_namespace(exercise.start, namespace) as kustomization:
            loaded += load(kustomizations=[kustomization]).resources
    return loaded


def workshop(folder: Path, *arguments: str) -> Finished:
    """Run a command that needs no mesh."""
    return in_process(main, folder, *arguments, "--folder", str(ROOT / FOLDER))


def test_three_namespaces_have_no_object_in_common(resources: list[Resource]) -> None:
    """Each has all objects of the application, and its own gateway."""
    objects = [(one.kind, one.namespace, one.name) for one in resources]

    namespaces = [name for kind, _, name in objects if kind == "Namespace"]

    assert len(objects) == len(set(objects))
    assert namespaces == list(NAMESPACES)
    assert [namespace for kind, namespace, _ in objects if kind == "Gateway"] == list(NAMESPACES)


def test_a_gateway_serves_the_gateway_object_of_its_namespace_only(resources: list[Resource]) -> None:
    """The selector of each is the label of the pods in the same namespace."""
    gateways = build(resources).gateways

    served = {gateway.namespace: len(gateway.servers) for gateway in gateways if gateway.name == "gateway"}

    assert served == dict.fromkeys(NAMESPACES, 1)
    assert all(gateway.namespace in NAMESPACES for gateway in gateways if gateway.servers)


def test_the_command_writes_a_kustomization_for_each_trainee(tmp_path: Path) -> None:
    """It prints how to apply them."""
    written = workshop(tmp_path, "namespaces", "3", "class")

    built = load(kustomizations=[tmp_path / "class" / "trainee-03"]).resources
    assert written.stdout.splitlines() == [f"kubectl apply -k class/{name}" for name in NAMESPACES]
    assert {one.namespace for one in built if one.kind == "VirtualService"} == {"trainee-03"}


def test_an_exercise_with_a_second_namespace_is_refused(tmp_path: Path) -> None:
    """Two trainees would share that one."""
    refused = workshop(tmp_path, "start", "egress-1", "--namespace", "trainee-01")

    assert refused.returncode == 2
    assert "egress-1 needs a namespace outside of the mesh" in refused.stderr


def test_a_name_that_no_namespace_can_have_is_refused(tmp_path: Path) -> None:
    """Before anything is applied."""
    refused = workshop(tmp_path, "start", "canary-1", "--namespace", "Trainee 1")

    assert refused.returncode == 2
    assert '"Trainee 1" is not a name of a namespace' in refused.stderr


def attempts(exercise: Exercise) -> Iterator[Resource]:
    """The first trainee has solved it, the third has swapped the weights, and the second does nothing."""
    for namespace, state in {"trainee-01": SOLVED, "trainee-03": "weights-swapped"}.items():
        yield from load_text(attempt(exercise, state), namespace, namespace).resources


@pytest.mark.mesh
@pytest.mark.exercise
@pytest.mark.xdist_group("application")
def test_three_trainees_are_graded_by_what_each_has_done(
    resources: list[Resource], exercise: Exercise, tmp_path: Path
) -> None:
    """On one mesh, at the gateway of each."""
    grades: dict[str, Grade] = {}
    with live(tmp_path, merged(resources, attempts(exercise))) as mesh:
        for namespace in NAMESPACES:
            with MeshApi(mesh.api, namespace) as api:
                urls = api.document("/mesh")["gateways"]
                url = urls["gateway" if namespace == NAMESPACES[0] else f"gateway.{namespace}"]["http"]
                context = ProofContext(api, Target.from_url(url), listener(namespace))
                grades[namespace] = grade(exercise, context)

    verdicts = {namespace: str(one.result.verdict) for namespace, one in grades.items()}
    assert verdicts == {"trainee-01": "PASS", "trainee-02": "FAIL", "trainee-03": "FAIL"}
    assert grades["trainee-02"].mistake is None
    assert grades["trainee-03"].mistake is not None
    assert grades["trainee-03"].mistake.name == "weights-swapped"
