"""The running containers of docker-compose.yml; builds images and therefore runs only on request."""

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

ENABLED_BY = "SENTIMESH_TEST_COMPOSE"
LOADGEN = Path(sys.executable).with_name("loadgen")
LOCALMESH = Path(sys.executable).with_name("localmesh")
READY_SECONDS = 180


def _compose() -> list[str] | None:
    """The available command: Docker's plugin, or the former program."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
        ):
            return command
    return None


pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(0),  # the time for builds is not limited
    pytest.mark.xdist_group("application"),
    pytest.mark.skipif(not os.environ.get(ENABLED_BY), reason=f"builds images: set {ENABLED_BY}=1 to run it"),
    pytest.mark.skipif(not shutil.which("docker"), reason="docker is not on the PATH"),
]


class Composed:
    """A separate Compose project with its own ports."""

    def __init__(self, folder: Path, scenario: str = "canary", name: str = "sentimesh-test") -> None:
        ports = FreePorts()
        gateway, https, api = ports.take(), ports.take(), ports.take()
        ports.close()
        self.api = f"http://127.0.0.1:{api}"
        self.folder = folder
        self.environment = os.environ | {
            "COMPOSE_PROJECT_NAME": name,
            "SCENARIO": scenario,
            "COMPOSE_PROFILES": "egress",
            "GATEWAY_PORT": str(gateway),
            "GATEWAY_HTTPS_PORT": str(https),
            "API_PORT": str(api),
            "LOCALMESH_URL": self.api,
        }

    def run(self, *command: str | Path, succeeds: bool = True) -> str:
        """Run a command, which must succeed or must fail; return its output."""
        finished = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        assert (finished.returncode == 0) is succeeds, finished.stdout + finished.stderr
        return finished.stdout

    def compose(self, *arguments: str, succeeds: bool = True) -> str:
        """Run Compose; return its output."""
        command = _compose()
        assert command, "docker is here, but neither `docker compose` nor `docker-compose`"
        return self.run(*command, *arguments, succeeds=succeeds)

    def wait_until_ready(self) -> None:
        """Wait until the whole mesh is ready."""
        deadline = time.monotonic() + READY_SECONDS
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
    """The running canary, with freshly built images."""
    project = Composed(tmp_path_factory.mktemp("compose"))
    try:
        project.compose("up", "--detach", "--build")
        project.wait_until_ready()
        yield project
    finally:
        project.compose("down", "--volumes")


def test_the_chosen_scenario_is_proved(composed: Composed) -> None:
    """SCENARIO=canary; loadgen runs on this machine."""
    assert "canary  PASS" in composed.run(LOADGEN, "prove", "canary")


def test_the_proof_does_not_need_python_on_the_host(composed: Composed) -> None:
    """loadgen runs as a container on the network of the mesh."""
    assert "canary  PASS" in composed.compose("run", "--rm", "loadgen", "prove", "canary")


def test_scenarios_are_applied_and_proved_from_the_container(composed: Composed) -> None:
    """The paths of overlays are the same in loadgen's and localmesh's containers."""
    assert "shadow  PASS" in composed.compose("run", "--rm", "loadgen", "prove", "--apply", "shadow")


def test_another_overlay_is_applied_from_the_host(composed: Composed) -> None:
    """kustomize runs on the host; the proof reads the metrics and logs of the containers."""
    composed.run(LOCALMESH, "apply", "-k", "istio/overlays/shadow")

    assert "shadow  PASS" in composed.run(LOADGEN, "prove", "shadow")


def test_pods_of_a_profile_join_and_leave_the_mesh_with_their_scenario(composed: Composed) -> None:
    """A pod without a sidecar and one with two containers: they always run but are not always configured."""
    for scenario in ("egress", "mtls-strict", "egress"):
        composed.run(LOCALMESH, "apply", "-k", f"istio/overlays/{scenario}")
        composed.wait_until_ready()

        assert f"{scenario}  PASS" in composed.run(LOADGEN, "prove", scenario)


def test_a_restarted_application_joins_the_mesh_again(composed: Composed) -> None:
    """Its container is restarted in the network of its sidecar, which kept running."""
    composed.compose("restart", "logic-v1")
    composed.wait_until_ready()

    assert "Ready" in composed.run(LOCALMESH, "status")


def test_an_unknown_scenario_ends_compose_up(tmp_path: Path) -> None:
    """The error is printed once, and no proxy keeps connecting."""
    project = Composed(tmp_path, scenario="nowhere", name="sentimesh-test-nowhere")
    try:
        project.compose("up", "--build", succeeds=False)
        logs = project.compose("logs")
    finally:
        project.compose("down", "--volumes")

    assert logs.count("istio/overlays/nowhere: error SM004") == 1
    assert "grpc_stream" not in logs
