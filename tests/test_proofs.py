"""What holds for every proof, also for one that is added: it can fail, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from loadgen.proofs import proofs
from tests.live import ROOT, overlay
from tests.proof_mesh import LOADGEN, ProofMesh, bed

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("proofs"), overlay("base")) as running:
        yield running


def prove(mesh: ProofMesh, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of `loadgen prove`."""
    report = folder / "report.json"
    finished = subprocess.run(
        [LOADGEN, "prove", *arguments, "--json", report],
        cwd=ROOT,
        env={**os.environ, "LOCALMESH_URL": mesh.api},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert report.exists(), finished.stderr
    return finished.returncode, json.loads(report.read_text())


def in_force(mesh: ProofMesh) -> set[str]:
    """Every object that there is, as text."""
    text = requests.get(f"{mesh.api}/mesh/manifests", timeout=10).json()["text"]
    return set(text.split("\n---\n"))


def test_every_proof_fails_on_the_plain_application(mesh: ProofMesh, tmp_path: Path) -> None:
    """What no overlay has brought is not there."""
    status, report = prove(mesh, tmp_path, *proofs())

    assert status == 1
    assert {each["scenario"]: each["verdict"] for each in report["scenarios"]} == dict.fromkeys(
        proofs(), "FAIL"
    )


def test_overlays_take_turns_and_what_was_in_force_comes_back(mesh: ProofMesh, tmp_path: Path) -> None:
    """Each is all there is while it is proven, and in the end all is as it was before."""
    before = in_force(mesh)

    status, report = prove(mesh, tmp_path, "--apply", "header-operations", "ab-testing")

    assert status == 0
    assert [each["scenario"] for each in report["scenarios"]] == ["header-operations", "ab-testing"]
    assert in_force(mesh) == before
