"""`make new-scenario`: what it writes passes the tests of scenarios, and bad names are one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.new_scenario import problem_of
from tests.live import ROOT

pytestmark = pytest.mark.xdist_group("new-scenario")

NAME = "written-by-a-test-".ljust(40, "x")
"""As long as a name may be, so that no line becomes too long."""
MODULE = f"loadgen/proofs/{NAME.replace('-', '_')}.py"
STRUCTURAL_TESTS = (
    "tests/test_overlays.py",
    "tests/test_routes.py",
    "tests/test_pages.py",
    "tests/test_skaffold.py",
    "tests/test_documents.py",
    "tests/test_compose.py",
    "tests/conformance/test_conformance.py",
)
ABOUT_THE_SCENARIO = f"{NAME} or (golden and not conformance) or folder_is_a_case or controller"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which the scenario has been written."""
    folder = tmp_path_factory.mktemp("new-scenario") / "repository"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    written = new_scenario(folder, NAME)
    assert written.returncode == 0, written.stderr
    return folder


def new_scenario(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run what the target of the Makefile runs."""
    return run(folder, "scripts.new_scenario", name)


def run(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the copy, or a tool on it."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_make_target_runs_it() -> None:
    """With the name, whatever the environment says."""
    command = ["make", "--dry-run", "--no-print-directory", "-o", "setup-dev", "new-scenario"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "NAME": "host"}

    def printed(*words: str) -> str:
        return subprocess.run(
            [*command, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert printed(f"NAME={NAME}") == f'.venv/bin/python -m scripts.new_scenario "{NAME}"\n'
    assert printed() == '.venv/bin/python -m scripts.new_scenario ""\n'


def test_what_is_written_passes_the_structural_tests(copy: Path) -> None:
    """Those of overlays, pages, lists and documents; it is not compared with Istio, as it is not recorded."""
    finished = run(
        copy,
        "pytest",
        *("-p", "no:cacheprovider", "-q", "-m", "not mesh", "-k", ABOUT_THE_SCENARIO),
        *STRUCTURAL_TESTS,
    )

    assert finished.returncode == 0, finished.stdout
    assert f"not recorded from Istio: python -m tests.conformance.record overlay-{NAME}" in finished.stdout
    assert (
        f"[overlay-{NAME}](../istio/overlays/{NAME}/README.md)" in (copy / "docs/conformance.md").read_text()
    )


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("ruff", ["format", "--check", MODULE]), ("ruff", ["check", MODULE]), ("mypy", [MODULE])],
    ids=["format", "lint", "types"],
)
def test_the_proof_is_clean(copy: Path, tool: str, arguments: list[str]) -> None:
    """As `make lint types` checks it."""
    finished = run(copy, tool, *arguments)

    assert finished.returncode == 0, finished.stdout


def test_the_proof_is_found(copy: Path) -> None:
    """By its place, without being listed anywhere."""
    code = f"from loadgen.proofs import proofs; print(proofs()[{NAME!r}].proves)"

    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False
    )

    assert finished.stdout == "the versions of logic get their shares\n", finished.stderr


def test_an_existing_scenario_is_not_replaced(copy: Path) -> None:
    """One line and exit status 2, and every file stays as it is."""
    before = contents(copy)

    finished = new_scenario(copy, NAME)

    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr == f'"{NAME}" exists already: istio/overlays/{NAME}; choose another name\n'
    assert contents(copy) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "no name is given; for example: make new-scenario NAME=my-thing"),
        ("My_Thing", '"My_Thing" is not a name for a scenario'),
        ("../thing", '"../thing" is not a name for a scenario'),
        ("my-thing\n", '"my-thing\\n" is not a name for a scenario'),
        ("a" * 41, f'"{"a" * 41}" is not a name for a scenario'),
        ("canary", '"canary" exists already: istio/overlays/canary; choose another name'),
        ("base", '"base" has another meaning here; choose another name'),
        ("common", '"common" has another meaning here; choose another name'),
        ("debug", '"debug" has another meaning here; choose another name'),
        ("import", '"import" has another meaning here; choose another name'),
    ],
)
def test_a_name_that_cannot_be_used_is_a_problem(name: str, message: str) -> None:
    """The message says what a name looks like, or what has it already."""
    assert problem_of(name).startswith(message)


def test_other_names_can_be_used() -> None:
    """Words with hyphens, and digits."""
    assert [problem_of(name) for name in (NAME, "http2", "a-1-b")] == ["", "", ""]


def contents(folder: Path) -> dict[Path, bytes]:
    """What a new scenario is written to."""
    parts = ("istio", "loadgen/proofs", "docs", "skaffold.yaml")
    files = (path for part in parts for path in [folder / part, *(folder / part).rglob("*")])
    return {path: path.read_bytes() for path in files if path.is_file() and path.suffix != ".pyc"}
