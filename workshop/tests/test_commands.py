"""Commands that need no mesh, or do not find one; tests/test_exercise_commands.py has the others."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from workshop.cli import main

ROOT = Path(__file__).parents[2]
NO_MESH = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Finished:
    """The result of a command."""

    status: int
    out: str
    err: str


def workshop(*arguments: str) -> Finished:
    """Run a command at the root of the repository, where no mesh runs."""
    out, err = io.StringIO(), io.StringIO()
    environment = mock.patch.dict(os.environ, {"LOCALMESH_URL": NO_MESH, "COLUMNS": "110"})
    with (
        environment,
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = main(list(arguments))
    return Finished(status, out.getvalue(), err.getvalue())


def test_the_list_has_every_exercise_by_page() -> None:
    """And the broken configurations at the end."""
    listed = workshop("list").out.splitlines()

    assert listed[0].split() == ["page", "exercise", "what"]
    assert listed[1].split()[:2] == ["1", "service-1"]
    assert listed[-1].split()[0] == "break-10"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "canari-1"], 'no exercise is named "canari-1"; did you mean "canary-1"?'),
        (["check"], "Missing argument 'NAME'. `workshop list` has the exercises."),
        (["break", "11"], 'no exercise is named "break-11"; did you mean'),
        (
            ["check", "canary-1", "--target", "cluster"],
            "--target cluster needs the address of the ingress gateway",
        ),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], says: str) -> None:
    """Nothing is sent."""
    finished = workshop(*arguments)

    assert finished.status == 2
    assert finished.out == ""
    assert says in finished.err
    assert len(finished.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["start", "check", "hint"])
def test_without_a_mesh_the_error_says_how_to_start_one(command: str) -> None:
    """In one line, with an exit status of its own."""
    finished = workshop(command, "canary-1")

    assert finished.status == 4
    assert finished.out == ""
    assert finished.err.startswith(
        f"workshop: error: the mesh's API at {NO_MESH} cannot be connected to: start a "
    )


def test_a_solution_is_printed_without_a_mesh() -> None:
    """It is the file."""
    printed = workshop("solution", "canary-1").out

    assert printed == (ROOT / "workshop/exercises/canary-1/solution.yaml").read_text()
