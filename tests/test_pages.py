"""The pages of the scenarios are correct: each command is executed and prints what the page shows.

One mesh serves the pages of a group, one after the other. It has the overlay of the page, as after `make up
SCENARIO=…`, and `make prove SCENARIO=…` runs the proof in it; `make --dry-run` shows the commands that `make`
would run. All other commands are executed unchanged, in a copy of the manifests that they may edit. In that
copy, logic v2 hangs for less than three seconds, which no page shows.

localmesh and loadgen are executed in the process of the tests, which has imported them already. `make prove`
sends all requests. Where those are many, the proof of what the reader has edited sends a part of them: enough
for what the page shows of it, that the proof expects what is configured.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import requests

from loadgen.deploy.overlays import has_policies
from loadgen.errors import ExitStatus
from loadgen.meshstate import MeshApi
from loadgen.proofs.common import proof
from loadgen.prove.sequence import wait_until_idle
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT
from tests.page_shell import NOT_EXECUTED, OWN_PROGRAMS, PROGRAMS, run_here
from tests.pages import Command, commands, difference, page_commands
from tests.proof_mesh import MEASUREMENTS, ProofMesh, SmallerSamples
from tests.scenarios.groups import FEW_REQUESTS, group_of
from tests.walk import let_logic_hang

PAGES = sorted(
    (page for page in ROOT.glob("istio/overlays/*/README.md") if page.parent.name not in FOR_CONTROLLERS),
    key=lambda page: (has_policies(page.parent), page),
)
HANG_SECONDS = {"timeout": "2", "retry": "1", "retry-naive": "1"}
"""Clearly longer than the deadlines of these pages; on other pages, a hang only takes time."""
SHORT_HANG_SECONDS = "0.3"


@dataclass(frozen=True)
class Shell:
    """The place where a page's commands are executed: a running mesh and a copy of the manifests."""

    mesh: ProofMesh
    folder: Path

    def measured(self, command: Command, scenario: str) -> tuple[int, list[str]]:
        """The same as `run`; without a verdict, because the machine was busy, it is run again as it says.

        Only that is repeated: a proof that fails has failed.
        """
        for _ in range(MEASUREMENTS - 1):
            status, printed = self.run(command, scenario)
            if status != ExitStatus.INCONCLUSIVE or command.status == ExitStatus.INCONCLUSIVE:
                return status, printed
        return self.run(command, scenario)

    def run(self, command: Command, scenario: str) -> tuple[int, list[str]]:
        """The exit status and the printed lines of one command."""
        line = re.split(r"\s+# ", command.line)[0]
        if line == f"make prove SCENARIO={scenario}":
            assert made(line).endswith(f"loadgen prove {scenario}")
            return run_here(f".venv/bin/loadgen prove {scenario}", self.folder, self.mesh.api)
        if line.startswith(tuple(OWN_PROGRAMS)):
            context = proof.ProofContext if scenario in FEW_REQUESTS else SmallerSamples
            with mock.patch.object(proof, "ProofContext", context):
                return run_here(line, self.folder, self.mesh.api)
        finished = subprocess.run(
            ["bash", "-c", self.translated(line, scenario)],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return finished.returncode, finished.stdout.splitlines()

    def translated(self, line: str, scenario: str) -> str:
        """The same command of another program, for the running mesh."""
        if line == f"make up SCENARIO={scenario}":
            assert f"localmesh up -k istio/overlays/{scenario} " in made(line)
            return "true"  # the mesh has the overlay already
        known = ("perl ", "curl ", f"git restore istio/overlays/{scenario}")
        assert line.startswith(known), f"tests/test_pages.py does not support the command {line}"
        return line.replace(".venv/bin/", f"{PROGRAMS}/").replace("http://127.0.0.1:8080", self.mesh.gateway)

    def apply(self, scenario: str) -> None:
        """Replace the configuration by the overlay's, once no request is in progress."""
        with MeshApi(self.mesh.api, "sentimesh") as api:
            wait_until_idle(api)
        request = {"kustomizations": [str(self.folder / "istio" / "overlays" / scenario)]}
        answer = requests.post(f"{self.mesh.api}/mesh/apply", json=request, timeout=60)
        assert answer.ok, answer.text


def made(line: str) -> str:
    """The last command that `make` would execute."""
    dry = subprocess.run(
        [*line.split(), "--dry-run", "--no-print-directory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dry.strip().splitlines()[-1]


def copy_manifests(folder: Path, hang_seconds: str) -> None:
    """Create a repository with a copy of the manifests in which logic v2 hangs for this time."""
    for part in ("istio", "k8s"):
        shutil.copytree(ROOT / part, folder / part)
    let_logic_hang(folder, hang_seconds)
    for step in ("init", "add .", "-c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -m copy"):
        subprocess.run(["git", *step.split()], cwd=folder, capture_output=True, check=True)


def in_group(page: Path) -> object:
    """A page as a parameter, in the group of its scenario."""
    name = page.parent.name
    return pytest.param(page, id=name, marks=group_of(name))


@pytest.mark.mesh
@pytest.mark.parametrize("page", list(map(in_group, PAGES)))
def test_a_page_says_what_happens(mesh: ProofMesh, tmp_path: Path, page: Path) -> None:
    """The exit status and output of each command are as shown, in order."""
    scenario = page.parent.name
    copy_manifests(tmp_path, HANG_SECONDS.get(scenario, SHORT_HANG_SECONDS))
    shell = Shell(mesh, tmp_path)
    shell.apply(scenario)

    for command in page_commands(page):
        if not command.line.startswith(NOT_EXECUTED):
            status, printed = shell.measured(command, scenario)

            transcript = "\n".join((f"$ {command.line}", *printed))
            assert status == command.status, transcript
            assert not difference(command.shown, printed), transcript
    left = subprocess.run(["git", "status", "--short"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert not left, f"the page does not undo its changes: {left.decode()}"


@pytest.mark.parametrize("page", PAGES, ids=[page.parent.name for page in PAGES])
def test_a_page_proves_and_says_what_to_change(page: Path) -> None:
    """It shows the proof with its verdict, and starts a mesh to try changes on."""
    lines = [command.line for command in page_commands(page)]
    proof = page_commands(page)[0]

    assert proof.line == f"make prove SCENARIO={page.parent.name}"
    assert any(f"{page.parent.name}  PASS  " in line for line in proof.shown)
    assert any(line.startswith(f"make up SCENARIO={page.parent.name}") for line in lines)


class TestReading:
    def test_commands_have_the_output_below_them(self) -> None:
        """Only console blocks are read; a comment may say that a proof is meant to fail."""
        text = "```console\n$ one  # FAIL: why\n…\nout\n$ two\n```\n```yaml\n$ three\n```\n"

        assert commands(text) == [Command("one  # FAIL: why", ("…", "out")), Command("two", ())]
        assert [command.status for command in commands(text)] == [1, 0]

    def test_a_command_is_read_as_a_shell_reads_it(self) -> None:
        """A backslash continues a line, but not between single quotes."""
        text = "```console\n$ one -a \\\n    -b\nout\n$ two 'it is \\\n    long' \\\n  -c\nout\n```\n"

        assert commands(text) == [
            Command("one -a -b", ("out",)),
            Command("two 'it is \\\n    long' -c", ("out",)),
        ]

    @pytest.mark.parametrize(
        ("shown", "printed", "same"),
        [
            ("a\n…\nd", "a\nb\nc\nd", True),
            ("…\nd\n…", "d", True),
            ("a … c", "a b c", True),
            ("a … c", "a b d", False),
            ("a\nc", "a\nb\nc", False),
            ("…\na", "a\nb", False),
            ("1.5 %", "105 %", False),
            ("a  1   b", "a    1 b", True),
            ("  a", "a", False),
        ],
    )
    def test_an_ellipsis_matches_anything_and_other_text_itself(
        self, shown: str, printed: str, same: bool
    ) -> None:
        """An ellipsis stands for lines or for a part of a line; there are no other patterns."""
        result = difference(tuple(shown.splitlines()), printed.splitlines())

        assert (result == "") is same
