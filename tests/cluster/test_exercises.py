"""The exercises on a cluster: untouched ones FAIL, and solutions PASS, also in a namespace of a trainee."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from localmesh.tests.command_line import Finished, in_process
from tests.cluster.kube import Kube
from tests.live import ROOT
from workshop.cli import main
from workshop.exercise import Exercise
from workshop.loading import load_all

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(0), pytest.mark.xdist_group("cluster")]

EXERCISES = load_all(ROOT / "workshop")
GATEWAY_API = "gateway-api-"
TRAINEE = "trainee-01"


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
def trainee(kube: Kube) -> Iterator[str]:
    """The namespace of a trainee, which is removed at the end."""
    yield TRAINEE
    kube("delete", "namespace", TRAINEE, "--ignore-not-found")


def workshop(proxy: str, gateway: str, *arguments: str) -> Finished:
    """Run a command against the cluster behind `kubectl proxy`."""
    options = ("--target", "cluster", "--mesh", proxy, "--gateway", gateway)
    return in_process(main, ROOT, *arguments, *options)


@pytest.mark.parametrize("exercise", EXERCISES, ids=[exercise.name for exercise in EXERCISES])
def test_the_solution_is_told_from_the_start(
    cluster: Kube, gateway: str, proxy: str, exercise: Exercise
) -> None:
    """By the requests of the exercise alone, as on a laptop."""
    started = workshop(proxy, gateway, "start", exercise.name)
    if exercise.name.startswith(GATEWAY_API):
        gateway = url_of_pod(cluster, "sentimesh", "gateway.networking.k8s.io/gateway-name=sentimesh", 80)
    untouched = workshop(proxy, gateway, "check", exercise.name)
    workshop(proxy, gateway, "solution", exercise.name, "--apply")
    solved = workshop(proxy, gateway, "check", exercise.name)

    assert started.returncode == 0, started.stderr
    assert untouched.returncode == 1, untouched.stdout + untouched.stderr
    assert solved.returncode == 0, solved.stdout + solved.stderr


def test_a_trainee_has_a_namespace_and_a_gateway(kube: Kube, proxy: str, trainee: str) -> None:
    """Nothing of it is in another namespace."""
    own = ("--namespace", trainee)

    started = workshop(proxy, "http://127.0.0.1", "start", "canary-1", *own)
    gateway = url_of_pod(kube, trainee, "app=gateway", 8080)
    untouched = workshop(proxy, gateway, "check", "canary-1", *own)
    workshop(proxy, gateway, "solution", "canary-1", "--apply", *own)
    solved = workshop(proxy, gateway, "check", "canary-1", *own)

    assert started.returncode == 0, started.stderr
    assert (untouched.returncode, solved.returncode) == (1, 0), solved.stdout + solved.stderr
