"""The pages of response flags are correct: each command is executed and prints what the page shows.

The proofs on them are complete: 20 of 20 requests end with the flag, and none after the repair. One mesh
serves all pages, which starts with the plain application for each of them.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from loadgen.faults.cabinet import FAULTS
from loadgen.faults.fault import Fault
from tests.live import ROOT, loaded
from tests.page_shell import NOT_EXECUTED, OWN_PROGRAMS, run_here
from tests.pages import Command, difference, page_commands
from tests.proof_mesh import ProofMesh

FOLDER = ROOT / "docs" / "troubleshooting"
SECONDS = 5.0
"""How long to wait for the line of an access log, which a proxy writes a moment after the answer."""
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[fault.flag for fault in FAULTS])


def page_of(fault: Fault) -> Path:
    return FOLDER / f"{fault.flag.lower()}.md"


@pytest.mark.mesh
@pytest.mark.xdist_group("application-calm")
@each_fault
def test_a_page_says_what_happens(mesh: ProofMesh, fault: Fault) -> None:
    """The exit status and output of each command are as shown, in order."""
    for command in page_commands(page_of(fault)):
        if not command.line.startswith(NOT_EXECUTED):
            status, printed = executed(command, mesh)

            transcript = "\n".join((f"$ {command.line}", *printed))
            assert status == command.status, transcript
            assert not difference(command.shown, printed), transcript


def executed(command: Command, mesh: ProofMesh) -> tuple[int, list[str]]:
    """The exit status and the printed lines of a command; logs are read until they are as shown."""
    end = time.monotonic() + SECONDS
    while True:
        status, printed = run(command.line, mesh)
        as_shown = status == command.status and not difference(command.shown, printed)
        if as_shown or " logs " not in command.line or time.monotonic() > end:
            return status, printed
        time.sleep(0.05)


def run(line: str, mesh: ProofMesh) -> tuple[int, list[str]]:
    """The same for a command of the project, or of curl, once."""
    if line.startswith(tuple(OWN_PROGRAMS)):
        return run_here(line, ROOT, mesh.api)
    assert line.startswith("curl "), f"tests/test_troubleshooting.py does not support the command {line}"
    finished = subprocess.run(
        ["bash", "-c", line.replace("http://127.0.0.1:8080", mesh.gateway)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return finished.returncode, finished.stdout.splitlines()


@each_fault
def test_a_page_applies_and_proves_the_fault_and_its_repair(fault: Fault) -> None:
    """First both for the fault, then both for the repair."""
    lines = [command.line for command in page_commands(page_of(fault))]

    steps = [line for line in lines if line.startswith((".venv/bin/localmesh apply", ".venv/bin/loadgen"))]

    repair = f"{fault.name}/repaired"
    assert steps == [
        f".venv/bin/localmesh apply -k istio/{fault.name}",
        f".venv/bin/loadgen prove {fault.name}",
        f".venv/bin/localmesh apply -k istio/{repair}",
        f".venv/bin/loadgen prove {repair}",
    ]


@each_fault
def test_a_fault_differs_from_its_repair_by_one_object(fault: Fault) -> None:
    """Both are the whole application, so that the mistake is in that object."""
    folder = ROOT / "istio" / fault.name

    broken, repaired = (
        {(item.kind, item.name): item.body for item in loaded(part).resources}
        for part in (folder, folder / "repaired")
    )

    assert len([key for key in broken | repaired if broken.get(key) != repaired.get(key)]) == 1
