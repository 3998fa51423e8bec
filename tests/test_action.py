"""The GitHub Action, the hooks of pre-commit and their examples: executed where that needs no network."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from localmesh.cli.commands import run
from tests.github_action import ACTION, Runner
from tests.live import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "ci"
PROGRAMS = Path(sys.executable).parent
WORKFLOW: dict[str, Any] = yaml.safe_load((EXAMPLE / ".github/workflows/mesh.yml").read_text())
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
CONFIGURED: list[dict[str, Any]] = yaml.safe_load((EXAMPLE / ".pre-commit-config.yaml").read_text())["repos"][
    0
]["hooks"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The example as a repository: one commit, and a change that gives half of the requests to v2."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "checkout"))
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-qm", "base")
    routes = folder / "routes.yaml"
    routes.write_text(
        routes.read_text().replace("weight: 90", "weight: 50").replace("weight: 10", "weight: 50")
    )
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def runner(checkout: Path, **inputs: str) -> Runner:
    """A runner with the inputs of the example's workflow, and others."""
    (step,) = (step for step in WORKFLOW["jobs"]["check"]["steps"] if "sentimesh/" in step.get("uses", ""))
    others = {name.replace("_", "-"): value for name, value in inputs.items()}
    temporary = checkout.parent / "runner"
    temporary.mkdir()
    return Runner(checkout, temporary, PROGRAMS, {**step["with"], "compare-with": "HEAD", **others})


@pytest.mark.parametrize("status", [0, 1])
def test_the_validation_fails_the_job_and_reports_to_code_scanning(checkout: Path, status: int) -> None:
    """The status is that of the validation; the SARIF file is written in both cases."""
    step = replace(runner(checkout, strict="true"), programs=recorder(checkout.parent, status))

    finished = step.run("validate")

    assert finished.returncode == status, finished.stderr
    assert calls(checkout.parent) == [
        "validate --strict shop.yaml routes.yaml",
        "validate --strict -o sarif shop.yaml routes.yaml",
    ]
    assert (checkout / "problems/1.sarif").read_text() == "output\n"


def recorder(folder: Path, status: int = 0) -> Path:
    """A folder with a program `localmesh` that writes down how it is called."""
    program = folder / "recorder" / "localmesh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >>{folder}/calls\necho output\nexit {status}\n')
    program.chmod(0o755)
    return program.parent


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def test_the_difference_is_a_comment_and_a_summary(checkout: Path) -> None:
    """In words, in a block of Markdown; the outputs say where it is."""
    step = runner(checkout)

    finished = step.run("diff")

    assert finished.returncode == 0, finished.stderr
    outputs = dict(line.split("=") for line in step.output.read_text().splitlines())
    assert outputs["different"] == "true"
    comment = Path(outputs["file"]).read_text()
    assert comment == step.summary.read_text()
    assert "**shop.yaml routes.yaml**\n\n```text\n" in comment
    assert "    all requests: v1 90 % → 50 %, v2 10 % → 50 %\n" in comment


def test_a_comment_that_is_too_long_is_cut(checkout: Path) -> None:
    """GitHub refuses comments of more than 65,536 characters; the summary has the whole text."""
    program = recorder(checkout.parent) / "localmesh"
    program.write_text("#!/bin/sh\nseq 20000\nexit 1\n")
    step = replace(runner(checkout), programs=program.parent)

    finished = step.run("diff")

    assert finished.returncode == 0, finished.stderr
    comment = (step.temporary / "localmesh-diff.md").read_text()
    assert len(comment) < 65_536
    assert comment.endswith("\n```\nThe rest is in the job summary.\n")
    assert "\n20000\n" in step.summary.read_text()


def test_no_difference_is_said(checkout: Path) -> None:
    """The comment is not posted then, and the summary says that nothing changes."""
    step = replace(runner(checkout), programs=recorder(checkout.parent))

    finished = step.run("diff")

    assert finished.returncode == 0, finished.stderr
    assert calls(checkout.parent) == ["diff --since HEAD shop.yaml routes.yaml"]
    assert "different=false" in step.output.read_text()
    assert step.summary.read_text().endswith("\nNothing.\n")


def test_a_revision_that_cannot_be_read_fails_the_step(checkout: Path) -> None:
    """Neither here nor in a remote repository."""
    finished = runner(checkout, compare_with="0123456").run("diff")

    assert finished.returncode not in (0, 1)


def test_the_route_tests_fail_the_job(checkout: Path) -> None:
    """The status is that of the tests; the hook below runs them."""
    step = replace(runner(checkout), programs=recorder(checkout.parent, status=1))

    finished = step.run("test")

    assert finished.returncode == 1, finished.stderr
    assert calls(checkout.parent) == ["test --coverage-at-least 100 reviews.test.yaml"]


def test_without_manifests_the_action_says_which_inputs_there_are(checkout: Path) -> None:
    """As an annotation of GitHub."""
    finished = runner(checkout, manifests="").run("validate")

    assert (finished.returncode, finished.stdout.strip()) == (
        2,
        "::error::name manifests with the input kustomizations or manifests",
    )


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("validate", ["validate --strict -k deploy/a", "validate --strict -k deploy/b"]),
        ("diff", ["diff --since HEAD deploy/a", "diff --since HEAD deploy/b"]),
        ("test", ["test --coverage-at-least 90 deploy"]),
    ],
)
def test_kustomizations_are_meshes_by_themselves(checkout: Path, step: str, expected: list[str]) -> None:
    """Overlays of one base would define every object twice in one mesh; empty lines are left out."""
    inputs = {"kustomizations": "deploy/a\n\ndeploy/b\n", "tests": "deploy\n", "strict": "true"}
    others = {"compare-with": "HEAD", "coverage-at-least": "90"}
    temporary = checkout.parent / "runner"
    temporary.mkdir()

    finished = Runner(checkout, temporary, recorder(checkout.parent), inputs | others).run(step)

    assert finished.returncode == 0, finished.stderr
    assert calls(checkout.parent) == expected


def test_every_input_is_documented_and_used() -> None:
    """No input without a description, none that no step reads, and no step that reads another."""
    text = (ROOT / "action.yml").read_text()
    used = set(re.findall(r"inputs\.([a-z-]+)", text))

    assert used == set(ACTION["inputs"])
    assert all(entry["description"] for entry in ACTION["inputs"].values())
    assert set(WORKFLOW["jobs"]["check"]["steps"][1]["with"]) <= used


@pytest.mark.parametrize("configured", CONFIGURED, ids=[hook["id"] for hook in CONFIGURED])
def test_the_hooks_of_pre_commit_pass_on_the_example(
    configured: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each as pre-commit calls it: the entry, the arguments, and the changed files if it takes them."""
    (hook,) = (hook for hook in HOOKS if hook["id"] == configured["id"])
    files = ["shop.yaml", "routes.yaml"] if hook.get("pass_filenames", True) else []
    program, *words = shlex.split(hook["entry"])

    monkeypatch.chdir(EXAMPLE)

    status = run([*words, *configured.get("args", []), *files])

    assert (program, status) == ("localmesh", 0), capsys.readouterr()


def test_the_page_shows_the_example_and_every_input_and_output() -> None:
    """Its blocks are those of the example; its tables have the names of action.yml and of the hooks."""
    page = (ROOT / "docs" / "ci.md").read_text()
    blocks = dict(re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL))
    (workflow, hooks) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)

    assert yaml.safe_load(workflow) == WORKFLOW["jobs"]["check"]["steps"]
    assert hooks == (EXAMPLE / ".pre-commit-config.yaml").read_text()
    assert blocks["ini"] == (EXAMPLE / "pytest.ini").read_text()
    assert (EXAMPLE / "test_reviews.py").read_text().endswith(blocks["python"])
    named = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    assert named == {*ACTION["inputs"], *ACTION["outputs"], *(hook["id"] for hook in HOOKS)}


def test_every_hook_is_in_the_example() -> None:
    """So that the test above tries all of them."""
    assert {hook["id"] for hook in HOOKS} == {hook["id"] for hook in CONFIGURED}
