"""The commands of the workshop, from the start of an exercise to its next one."""

from __future__ import annotations

from typing import Any

import pytest

from localmesh.tests.command_line import Finished, in_process
from tests.live import ROOT
from tests.proof_mesh import ProofMesh
from workshop.cli import main

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("exercises")]


def workshop(mesh: ProofMesh, *arguments: Any) -> Finished:
    """Run a command against the mesh of the tests."""
    return in_process(main, ROOT, *map(str, arguments), LOCALMESH_URL=mesh.api, COLUMNS="110")


def test_an_exercise_from_its_start_to_the_next_one(mesh: ProofMesh) -> None:
    """It FAILs until it is solved; the hint fits what is observed."""
    started = workshop(mesh, "start", "canary-1")
    untouched = workshop(mesh, "check", "canary-1")
    hint = workshop(mesh, "hint", "canary-1")
    solution = workshop(mesh, "solution", "canary-1", "--apply")
    solved = workshop(mesh, "check", "canary-1")

    assert started.returncode == 0, started.stderr
    assert "send 30 % to v2 of frontend" in started.stdout
    assert "apply what you write: localmesh apply -n sentimesh -f FILE\n" in started.stdout
    assert untouched.returncode == 1
    assert "observed v1 399" in untouched.stdout
    assert untouched.stdout.endswith("a hint: workshop hint canary-1\n")
    assert hint.stdout.endswith(
        "Give it a route that matches the header, with two destinations and their weights.\n"
    )
    assert solution.stdout == (ROOT / "workshop/exercises/canary-1/solution.yaml").read_text()
    assert solved.returncode == 0, solved.stdout
    assert "\nnext: workshop start " in solved.stdout or solved.stdout.endswith("that was the last one\n")
