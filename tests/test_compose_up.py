"""The containers of docker-compose.yml, brought up for real: builds images, so only where it is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from localmesh.runtime.workloads import FreePorts
from tests.live import ROOT

ASKED_FOR = "SENTIMESH_TEST_COMPOSE"
LOADGEN = Path(sys.executable).with_name("loadgen")
LOCALMESH = Path(sys.executable).with_name("localmesh")
PATIENCE_SECONDS = 180


def _compose() -> list[str] | None:
    """The command that there is: the plugin of today, or the program of before."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    return None


pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(0),  # builds take as long as they take
    pytest.mark.xdist_group("application"),
    pytest.mark.skipif(not os.environ.get(ASKED_FOR), reason=f"builds images: set {ASKED_FOR}=1 to run it"),
    pytest.mark.skipif(not shutil.which("docker"), reason="no docker on the PATH"),
]


class Composed:
    """A project of its own with ports of its own."""

    def __init__(self, folder: Path, scenario: str = "canary", name: str = "sentimesh-test") -> None:
        ports = FreePorts()
        gateway, api = ports.take(), ports.take()
        ports.close()
        self.api = f"http://127.0.0.1:{api}"
        self.folder = folder
        self.environment = os.environ | {
            "COMPOSE_PROJECT_NAME": name,
            "SCENARIO": scenario,
            "COMPOSE_PROFILES": "egress",
            "GATEWAY_PORT": str(gateway),
            "API_PORT": str(api),
            "LOCALMESH_URL": self.api,
        }

    def run(self, *command: str | Path, is_good: bool = True) -> str:
        """What a command says; it has to end well, or else badly."""
        finished = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert (finished.returncode == 0) is is_good, finished.stdout + finished.stderr
        return finished.stdout

    def compose(self, *arguments: str, is_good: bool = True) -> str:
        """What Compose says."""
        command = _compose()
        assert command, "docker is here, but neither `docker compose` nor `docker-compose`"
        return self.run(*command, *arguments, is_good=is_good)

    def until_ready(self) -> None:
        """Waits until all of the mesh is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._is_ready():
            assert time.monotonic() < deadline, self.compose("logs", "localmesh")
            time.sleep(0.2)

    def _is_ready(self) -> bool:
        try:
            return bool(requests.get(f"{self.api}/mesh", timeout=5).json()["ready"])
        except requests.RequestException:
            return False


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """The canary, built and up."""
    project = Composed(tmp_path_factory.mktemp("compose"))
    try:
        project.compose("up", "--detach", "--build")
        project.until_ready()
        yield project
    finally:
        project.compose("down", "--volumes")


def test_the_scenario_that_was_named_is_proven(composed: Composed) -> None:
    """SCENARIO=canary; the proof sends from this machine."""
    assert "canary  PASS" in composed.run(LOADGEN, "prove", "canary")


def test_the_proof_needs_no_python_on_the_host(composed: Composed) -> None:
    """The load generator as a container, on the network of the mesh."""
    assert "canary  PASS" in composed.compose("run", "--rm", "loadgen", "prove", "canary")


def test_scenarios_are_applied_and_proven_from_the_container(composed: Composed) -> None:
    """It names overlays by paths that mean the same where they are applied."""
    assert "shadow  PASS" in composed.compose("run", "--rm", "loadgen", "prove", "--apply", "shadow")


def test_another_overlay_is_applied_from_the_host(composed: Composed) -> None:
    """Its kustomization is built here; copies are counted in containers, and their logs read."""
    composed.run(LOCALMESH, "apply", "-k", "istio/overlays/shadow")

    assert "shadow  PASS" in composed.run(LOADGEN, "prove", "shadow")


def test_pods_of_a_profile_come_and_go_with_their_scenario(composed: Composed) -> None:
    """One without sidecar and one of two containers: they run all the time, and are not always wanted."""
    for scenario in ("egress", "mtls-strict", "egress"):
        composed.run(LOCALMESH, "apply", "-k", f"istio/overlays/{scenario}")
        composed.until_ready()

        assert f"{scenario}  PASS" in composed.run(LOADGEN, "prove", scenario)


def test_a_program_that_ended_comes_back_into_the_mesh(composed: Composed) -> None:
    """Its container is restarted in the network of its sidecar, which went on."""
    composed.compose("restart", "logic-v1")
    composed.until_ready()

    assert "Ready" in composed.run(LOCALMESH, "status")


def test_a_scenario_that_does_not_exist_ends_up(tmp_path: Path) -> None:
    """With what is wrong, once, and no proxy that asks for ever."""
    project = Composed(tmp_path, scenario="nowhere", name="sentimesh-test-nowhere")
    try:
        project.compose("up", "--build", is_good=False)
        logs = project.compose("logs")
    finally:
        project.compose("down", "--volumes")

    assert logs.count("istio/overlays/nowhere: error SM004") == 1
    assert "grpc_stream" not in logs
