"""Which containers run their commands, and what the start says about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from localmesh.catalog.addressing import SyntheticAllocator
from localmesh.catalog.workload import Workload
from localmesh.manifests import load_text
from localmesh.runtime.desired_state import plan
from localmesh.runtime.workloads.programs import Programs, commands_text

MakeWorkload = Callable[..., Workload]


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    """Programs with a script `run.sh` in the folder, and one called `tool` on the PATH."""
    for name in ("run.sh", "bin/tool", "app/start"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    (tmp_path / "data").write_text("not a program")
    return Programs(tmp_path, caller={"PATH": str(tmp_path / "bin")})


@pytest.mark.parametrize(
    ("container", "runs"),
    [
        ({"command": ["tool"]}, True),
        ({"command": ["python"]}, True),  # beside the Python of localmesh
        ({"command": ["./run.sh"]}, True),
        ({"command": ["./start"], "workingDir": "app"}, True),
        ({"command": ["/scripts/run"], "volumeMounts": [{"name": "v", "mountPath": "/scripts"}]}, True),
        ({"command": ["$(TOOL)"], "env": [{"name": "TOOL", "value": "tool"}]}, True),
        ({"command": ["start"], "env": [{"name": "PATH", "value": "app"}]}, True),
        ({"command": ["start"]}, False),
        ({"command": ["/app/worker"]}, False),
        ({"command": ["./data"]}, False),  # a file that is not executable
        ({"command": ["tool"], "env": [{"name": "PATH", "value": "/nowhere"}]}, False),
    ],
)
def test_a_stub_takes_the_place_of_a_command_that_is_not_here(
    programs: Programs, make_workload: MakeWorkload, container: Mapping[str, Any], runs: bool
) -> None:
    """Programs are looked for where the process would find them."""
    volumes = [{"name": "v", "emptyDir": {}}]

    workload = programs.runnable(make_workload(container, volumes=volumes))

    assert bool(workload.containers[0].command) is runs


def test_nothing_is_run_without_commands(programs: Programs, make_workload: MakeWorkload) -> None:
    """Neither commands nor the commands of probes and hooks; other probes stay."""
    commands = {"exec": {"command": ["tool"]}}
    fields = {
        "command": ["tool"],
        "args": ["-v"],
        "readinessProbe": commands,
        "livenessProbe": {"tcpSocket": {"port": 80}},
        "lifecycle": {"preStop": commands},
    }

    (container,) = Programs(programs.folder, run_commands=False).runnable(make_workload(fields)).containers

    assert (container.command, container.arguments) == ((), ())
    assert (container.readiness, container.pre_stop) == (None, None)
    assert container.liveness is not None


def test_a_stub_has_the_probes_whose_programs_are_here(
    programs: Programs, make_workload: MakeWorkload
) -> None:
    """A probe that only the image can run would keep the pod from ever being ready."""
    fields = {
        "startupProbe": {"exec": {"command": ["tool"]}},
        "readinessProbe": {"exec": {"command": ["/bin/grpc_health_probe"]}},
    }

    (container,) = programs.runnable(make_workload(fields)).containers

    assert container.startup is not None
    assert container.readiness is None


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 2
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
        - {name: worker, image: worker, command: [/app/worker], ports: [{containerPort: 80}]}
        - {name: tool, image: tool, command: [tool]}
        - {name: other, image: tool, command: [tool]}
"""


def test_a_missing_program_is_a_warning_at_its_command(programs: Programs) -> None:
    """The other containers run, and the pod of the stub has its ports."""
    resources = load_text(DEPLOYMENT).resources

    desired = plan(resources, (), SyntheticAllocator(), programs=programs)

    (warning,) = desired.warnings
    assert (warning.code, str(warning.path)) == ("SM231", "spec.template.spec.containers[0].command")
    assert warning.message.startswith('"/app/worker" is not a program of this machine; a stub takes')
    assert commands_text(desired.catalog.workloads) == "tool (2 containers)"
    assert all(list(pod.ports) == [80] for pod in desired.pods.values())


def test_without_commands_there_is_nothing_to_warn_of(programs: Programs) -> None:
    """It was asked for."""
    silent = Programs(programs.folder, run_commands=False)

    desired = plan(load_text(DEPLOYMENT).resources, (), SyntheticAllocator(), programs=silent)

    assert desired.warnings == ()
    assert commands_text(desired.catalog.workloads) == ""
