"""The files of `localmesh test` in the repository: every overlay has one, and all their cases pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.cli.commands import run
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT

OVERLAYS = ROOT / "istio" / "overlays"
FILES = sorted(ROOT.glob("istio/**/*.test.yaml"))
UNREACHABLE = {"authorization": 1, "jwt": 1}
"""Overlays with rules that no case can reach: for the port of the metrics, which no Service has."""


def test_every_overlay_has_a_file_and_so_has_every_step() -> None:
    """Beside its kustomization; those for controllers have objects that localmesh does not support."""
    folders = {path.parent for path in OVERLAYS.rglob("kustomization.yaml")}

    without = {path.relative_to(OVERLAYS).parts[0] for path in folders - {file.parent for file in FILES}}

    assert without == FOR_CONTROLLERS


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_all_cases_pass_and_reach_every_rule(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Apart from the rules that no case can reach."""
    status = run(["test", "--coverage", str(file)])

    out = capsys.readouterr().out
    assert status == 0, out
    assert out.count("not reached: ") == UNREACHABLE.get(file.parent.name, 0), out
