"""Properties of every proof: it can fail, and it restores the configuration."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from loadgen.proofs import proofs
from tests.live import ROOT, overlay
from tests.proof_mesh import LOADGEN, ProofMesh
from tests.scenarios.groups import SHARES

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group(SHARES)]


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


def configuration(mesh: ProofMesh) -> set[str]:
    """Every applied object, as text."""
    text = requests.get(f"{mesh.api}/mesh/manifests", timeout=10).json()["text"]
    return set(text.split("\n---\n"))


def test_every_proof_fails_on_the_plain_application(mesh: ProofMesh, tmp_path: Path) -> None:
    """Without its overlay, no scenario is configured."""
    mesh.apply(overlay("base"))

    status, report = prove(mesh, tmp_path, *proofs())

    assert status == 1
    assert {scenario["scenario"]: scenario["verdict"] for scenario in report["scenarios"]} == dict.fromkeys(
        proofs(), "FAIL"
    )


def test_overlays_take_turns_and_the_first_configuration_returns(mesh: ProofMesh, tmp_path: Path) -> None:
    """Each overlay is the whole configuration while it is proved; afterwards the first one is back."""
    mesh.apply(overlay("base"))
    before = configuration(mesh)

    status, report = prove(mesh, tmp_path, "--apply", "header-operations", "ab-testing")

    assert status == 0
    assert [scenario["scenario"] for scenario in report["scenarios"]] == ["header-operations", "ab-testing"]
    assert configuration(mesh) == before
