"""The pages of response flags are correct: each command is executed and prints what the page shows.

The proofs on them are complete: 20 of 20 requests end with the flag, and none after the repair. One mesh
serves all pages, which starts with the plain application for each of them.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
import requests

from loadgen.errors import ExitStatus
from loadgen.faults.cabinet import FAULTS
from loadgen.faults.fault import Fault
from localmesh.diagnose.diagnosis import summarize
from tests.live import ROOT, overlay
from tests.page_shell import NOT_EXECUTED, OWN_PROGRAMS, run_here
from tests.pages import Command, difference, page_commands
from tests.proof_mesh import MEASUREMENTS, ProofMesh

FOLDER = ROOT / "docs" / "troubleshooting"
INDEX = FOLDER / "README.md"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page != INDEX)
NOT_EVERY_TIME = {"lr"}
"""Pages of flags that no configuration causes every time."""
SECONDS = 15.0
"""How long to wait for the line of an access log, which a proxy writes a moment after the answer."""
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[fault.flag for fault in FAULTS])


def page_of(fault: Fault) -> Path:
    return FOLDER / f"{fault.flag.lower()}.md"


@pytest.mark.mesh
@pytest.mark.xdist_group("workshop")
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_says_what_happens(mesh: ProofMesh, page: Path) -> None:
    """The exit status and output of each command are as shown, in order."""
    mesh.apply(overlay("base"))

    for command in page_commands(page):
        if not command.line.startswith(NOT_EXECUTED):
            status, printed = executed(command, mesh)

            transcript = "\n".join((f"$ {command.line}", *printed))
            assert status == expected_status(command), transcript
            assert not difference(command.shown, printed), transcript


def executed(command: Command, mesh: ProofMesh) -> tuple[int, list[str]]:
    """The exit status and the printed lines of a command.

    Logs are read until they are as shown. A proof without a verdict, because something else counted, is run
    again; one that fails has failed.
    """
    end, left = time.monotonic() + SECONDS, MEASUREMENTS - 1
    while True:
        status, printed = run(command.line, mesh)
        as_shown = status == expected_status(command) and not difference(command.shown, printed)
        if " logs " in command.line and not as_shown and time.monotonic() < end:
            time.sleep(0.05)
        elif status == ExitStatus.INCONCLUSIVE and left:
            left -= 1
        else:
            return status, printed


def expected_status(command: Command) -> int:
    """That which curl prints with its error message, if the page shows one."""
    messages = (re.match(r"curl: \((\d+)\) ", line) for line in command.shown)
    return next((int(message[1]) for message in messages if message), command.status)


def run(line: str, mesh: ProofMesh) -> tuple[int, list[str]]:
    """The same for a command of the project, or of curl, once."""
    if line.startswith(tuple(OWN_PROGRAMS)):
        return run_here(line, ROOT, mesh.api)
    assert line.startswith("curl "), f"tests/test_troubleshooting.py does not support the command {line}"
    line = line.replace("http://127.0.0.1:8080", mesh.gateway)
    if "https://127.0.0.1:8443" in line:
        line = line.replace("https://127.0.0.1:8443", tls_address(mesh))
    finished = subprocess.run(
        ["bash", "-c", line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return finished.returncode, finished.stdout.splitlines()


def tls_address(mesh: ProofMesh) -> str:
    """The address of the gateway's port 443, for clients that speak TLS."""
    ports = requests.get(f"{mesh.api}/mesh", timeout=10).json()["gateways"]["istio-ingressgateway"]
    return next(
        str(url).replace("http://", "https://") for name, url in ports.items() if name.endswith("-443")
    )


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
def test_a_fault_differs_from_its_repair_by_one_file(fault: Fault) -> None:
    """Both are the whole application, so that the mistake is in that file."""
    broken, repaired = (files(ROOT / "istio" / fault.name / part) for part in (".", "repaired"))

    changed = [name for name in broken | repaired if broken.get(name) != repaired.get(name)]

    assert len(changed) == 1
    assert not changed[0].endswith("kustomization.yaml")


def files(folder: Path) -> dict[str, str]:
    """The text of each file by its name; a kustomization has the same paths wherever it is.

    A fault that has a part for the mesh itself has the others in `cluster`, as overlays do.
    """
    paths = (*folder.glob("*.yaml"), *folder.glob("cluster/*.yaml"))
    return {
        str(path.relative_to(folder)): re.sub(r"- [./]*", "- ", path.read_text(encoding="utf-8"))
        for path in paths
    }


def test_every_fault_has_a_page_and_every_page_is_in_the_index() -> None:
    """By its flag and by its symptom; the order of the faults is that of the index."""
    text = INDEX.read_text()
    tables = [section for section in text.split("\n## ") if section.startswith("By ")]

    linked = [list(dict.fromkeys(re.findall(r"\]\((\w+)\.md\)", table))) for table in tables]

    assert [name for name in linked[0] if name not in NOT_EVERY_TIME] == [
        fault.flag.lower() for fault in FAULTS
    ]
    assert {*linked[0]} == {*linked[1]} == {page.stem for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_diagnose_names_the_page(page: Path) -> None:
    """For an entry with the flag, or with the details of a policy that denies."""
    flag = page.stem.upper()
    flags, details = ("-", "rbac_access_denied_matched_policy[none]") if flag == "RBAC" else (flag, "x")
    line = (
        f'[2026-12-01T12:00:00.000Z] "GET / HTTP/1.1" 503 {flags} {details} - "-" 0 0 1 - "-" "-" "-" "a" "-"'
    )

    (failure, _), *_ = summarize([f"{line} - - 1.1.1.1:80 2.2.2.2:2 - -"]).failures

    assert ROOT / failure.page == page
