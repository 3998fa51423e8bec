"""The exercises on a cluster: only solutions PASS, mistakes have their own hints, as has each trainee."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.deploy import cluster as cluster_deployer
from loadgen.deploy import deployer_of
from loadgen.http1 import Target
from loadgen.meshstate import MeshApi
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener
from localmesh.tests.command_line import Finished, in_process
from tests.cluster.kube import NAMESPACE, Kube
from tests.live import ROOT
from tests.test_exercises import EXERCISES, assert_told, attempt, attempts
from workshop.cli import main
from workshop.exercise import Exercise
from workshop.grading import Grade, grade

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]

GATEWAY_API = "gateway-api-"
ELSEWHERE = "namespace: default"
TRAINEES = ("trainee-01", "trainee-02", "trainee-03")


def url_of_pod(kube: Kube, namespace: str, selector: str, port: int) -> str:
    """The address of the first pod with these labels, which this machine must reach."""
    listed = kube("--namespace", namespace, "get", "pods", f"--selector={selector}", "--output=json")
    return f"http://{json.loads(listed)['items'][0]['status']['podIP']}:{port}"


@pytest.fixture(scope="module")
def cluster(kube: Kube) -> Iterator[Kube]:
    """The cluster without the application: exercises begin with all that they need."""
    kube.remove_application()
    yield kube
    kube.remove_application()


@pytest.fixture
def applied(cluster: Kube, proxy: str, request: pytest.FixtureRequest) -> Iterator[MeshApi]:
    """The mesh with the start of an exercise and an attempt; what it puts elsewhere is removed at the end."""
    exercise, state = request.param
    text = attempt(exercise, state)
    with MeshApi(proxy, NAMESPACE) as api:
        deployer = deployer_of("cluster", api, "istio-system")
        with pytest.MonkeyPatch.context() as patched:
            if text:  # the listeners of both changes drain at a time
                patched.setattr(cluster_deployer, "await_drained", lambda api: None)
            deployer.apply(exercise.start)
        if text:
            deployer.add(text, state)
        yield api
        if ELSEWHERE in text:
            cluster("--namespace=default", "delete", "--filename=-", "--ignore-not-found", given=text)


def graded(api: MeshApi, gateway: str, exercise: Exercise) -> Grade:
    """The grade of what the cluster's mesh does."""
    return grade(exercise, ProofContext(api, Target.from_url(gateway), listener(exercise.name)))


@pytest.mark.parametrize(
    ("applied", "exercise", "state"),
    [((exercise, state), exercise, state) for exercise, state in attempts()],
    ids=[f"{exercise.name}-{state}" for exercise, state in attempts()],
    indirect=["applied"],
)
def test_an_exercise_tells_the_solution_from_mistakes_on_a_cluster(
    cluster: Kube, gateway: str, applied: MeshApi, exercise: Exercise, state: str
) -> None:
    """By the requests of the exercise alone, as on a laptop."""
    if exercise.name.startswith(GATEWAY_API):
        gateway = url_of_pod(cluster, NAMESPACE, "gateway.networking.k8s.io/gateway-name=sentimesh", 80)

    outcome = graded(applied, gateway, exercise)

    assert_told(outcome, state)


def workshop(proxy: str, *arguments: str, gateway: str = "http://127.0.0.1") -> Finished:
    """Run a command against the cluster behind `kubectl proxy`."""
    return in_process(main, ROOT, *arguments, "--target", "cluster", "--mesh", proxy, "--gateway", gateway)


@pytest.fixture
def trainees(kube: Kube, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A class of three, each with the application and a gateway, as the page for teachers says."""
    written = in_process(main, ROOT, "namespaces", f"{len(TRAINEES)}", str(tmp_path))
    for line in written.stdout.splitlines():
        subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL)
    for namespace in TRAINEES:
        kube(
            "--namespace",
            namespace,
            "wait",
            "deployment",
            "--all",
            "--for=condition=Available",
            "--timeout=300s",
        )
    yield TRAINEES
    kube("delete", "namespace", *TRAINEES, "--ignore-not-found", "--timeout=240s")


def test_three_trainees_on_one_cluster_are_graded_by_what_each_has_done(
    kube: Kube, proxy: str, trainees: tuple[str, ...]
) -> None:
    """The first solves the exercise, the second only starts it, and the third swaps the weights."""
    (exercise,) = (one for one in EXERCISES if one.name == "canary-1")
    gateways = {name: url_of_pod(kube, name, "app=gateway", 8080) for name in trainees}
    for namespace in trainees:
        started = workshop(proxy, "start", "canary-1", "--namespace", namespace)
        assert started.returncode == 0, started.stderr
    workshop(proxy, "solution", "canary-1", "--apply", "--namespace", trainees[0])
    with MeshApi(proxy, trainees[2]) as api:
        deployer_of("cluster", api, "istio-system").add(attempt(exercise, "weights-swapped"), "swapped")

    verdicts = [
        workshop(proxy, "check", "canary-1", "--namespace", name, gateway=gateways[name]).returncode
        for name in trainees
    ]
    hint = workshop(proxy, "hint", "canary-1", "--namespace", trainees[2], gateway=gateways[trainees[2]])

    assert verdicts == [0, 1, 1]
    assert "a weight belongs to the destination" in hint.stdout
