"""The pytest plugin: the fixture `localmesh` in a test suite as a user would have it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localmesh.pytest_plugin import running_mesh

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "ci"


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest in a folder with this plugin and no other."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "localmesh.pytest_plugin",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.mesh
def test_the_example_passes_with_one_mesh(tmp_path: Path) -> None:
    """Its tests ask real Envoys and the configuration; a changed route makes them fail."""
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "ci"))
    (folder / "test_with_changes.py").write_text(MORE)

    finished = run_pytest(folder, "-q")

    assert finished.returncode == 0, finished.stdout
    assert "7 passed" in finished.stdout


MORE = """
import pytest
from localmesh.errors import LocalmeshError


def test_a_mesh_is_shared_by_all_files(localmesh):
    assert len(localmesh.client.get("/mesh")["pods"]) == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [("missing", 'no workload or gateway is called "missing"'), (None, "no Gateway serves HTTP")],
)
def test_a_wrong_source_is_an_error(localmesh, source, message):
    with pytest.raises(LocalmeshError, match=message):
        localmesh.get("http://reviews/", source=source)


def test_a_redirect_or_a_failure_is_an_answer(localmesh):
    answer = localmesh.post("http://reviews/status/503", source="web", body="text")

    assert (answer.status, answer.json()["method"]) == (503, "POST")


def test_other_manifests_can_be_applied(localmesh, tmp_path):
    with open("routes.yaml") as routes:
        (tmp_path / "routes.yaml").write_text(routes.read().replace("exact: tester", "exact: other"))

    localmesh.apply(tmp_path / "routes.yaml")

    explanation = localmesh.explain("http://reviews/", source="web", headers={"end-user": "other"})
    assert [destination.subset for destination in explanation.destinations] == ["v2"]
    answer = localmesh.get("http://reviews/", source="web", headers={"end-user": "other"})
    assert answer.json()["version"] == "v2"
"""


def test_without_manifests_the_fixture_says_how_to_name_them(tmp_path: Path) -> None:
    """Without a traceback."""
    with pytest.raises(pytest.fail.Exception, match="needs manifests: set `localmesh_manifests`") as failure:
        next(running_mesh([], tmp_path))

    assert not failure.value.pytrace


def test_a_mesh_that_cannot_start_says_what_up_says(tmp_path: Path) -> None:
    """Without a traceback."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {prots: [{port: 80}]}}\n")

    with pytest.raises(
        pytest.fail.Exception, match=r"bad\.yaml:1: error SM101: Service default/web"
    ) as failure:
        next(running_mesh([bad], tmp_path))

    assert not failure.value.pytrace


def test_an_unused_plugin_imports_only_itself() -> None:
    """pytest loads it in every run of every project whose environment has localmesh."""
    code = (
        "import sys, pytest; before = set(sys.modules); import localmesh.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )

    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert finished.stdout.strip() == "['localmesh', 'localmesh.pytest_plugin']"
