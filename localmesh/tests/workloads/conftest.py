"""Fixtures for tests of pods and processes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import Resource
from localmesh.problems import Place
from localmesh.runtime.processes.process import Command
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.runtime.workloads import FreePorts, Pod, PodFacts, PodState


@pytest.fixture
def deployment() -> Callable[..., Resource]:
    """Makes a Deployment from the fields of its pod spec."""

    def make(
        pod_spec: Mapping[str, Any],
        *,
        spec: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Resource:
        labels = {"app": "web", "version": "v1"}
        template = {"metadata": metadata or {"labels": labels}, "spec": dict(pod_spec)}
        body = {"spec": {"selector": {"matchLabels": labels}, "template": template, **(spec or {})}}
        place = Place("web.yaml", "Deployment", "demo", "web-v1")
        return Resource("apps/v1", "Deployment", "demo", "web-v1", {}, {}, body, place, 0)

    return make


@pytest.fixture
def make_workload(deployment: Callable[..., Resource]) -> Callable[..., Workload]:
    """Makes a workload of one container, `web`, from that container's fields."""

    def make(container: Mapping[str, Any], **pod_spec: Any) -> Workload:
        return workload(deployment({"containers": [{"name": "web", **container}], **pod_spec}))

    return make


@dataclass
class PodBench:
    """Starts pods and processes in the folder of a test and records the states of pods."""

    folder: Path
    processes: ProcessSupervisor
    ports: FreePorts = field(default_factory=FreePorts)
    states: list[PodState] = field(default_factory=list)

    def facts(self, workload: Workload, ordinal: int = 0, **facts: Any) -> PodFacts:
        ports = {port: self.ports.take() for port in workload.declared_ports}
        return PodFacts(workload, ordinal, facts.pop("ports", ports), self.folder, self.folder, **facts)

    def pod(self, workload: Workload, ordinal: int = 0, **facts: Any) -> Pod:
        states = self.states
        return Pod(
            self.facts(workload, ordinal, **facts),
            self.processes,
            self.folder / "logs",
            lambda pod: states.append(pod.state),
        )

    def command(self, *arguments: str, **environment: str) -> Command:
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return Command(
            "a test", arguments, {"PATH": path, **environment}, self.folder, self.folder / "test.log"
        )


Scenario = Callable[[PodBench], Awaitable[None]]


@pytest.fixture
def run_on_bench(tmp_path: Path) -> Callable[[Scenario], None]:
    """Runs a scenario on a bench, whose processes end with it."""

    async def run(scenario: Scenario) -> None:
        async with ProcessSupervisor(tmp_path) as processes:
            await scenario(PodBench(tmp_path, processes))

    return lambda scenario: asyncio.run(run(scenario))


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits for a condition; the error says for which."""

    async def wait(condition: Callable[[], object], what: str, timeout_seconds: float = 5) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, f"still waiting after {timeout_seconds} s until {what}"
            await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def config() -> ConfigData:
    """A ConfigMap and a Secret."""
    return ConfigData(
        {
            ("ConfigMap", "demo", "settings"): {"PORT": b"8080", "COLOUR": b"green", "a.conf": b"a = 1\n"},
            ("Secret", "demo", "passwords"): {"TOKEN": b"s3cret"},
        }
    )


@pytest.fixture
def innocent() -> Iterator[Any]:
    """A process that belongs to no mesh."""
    import subprocess

    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()
