"""The files of `localmesh test` in the repository: every overlay has one, and all their cases pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.manifests import LoadResult, load
from localmesh.route_tests import reports
from localmesh.route_tests.cases import CaseFile
from localmesh.route_tests.reading import read_case_files
from localmesh.route_tests.run import run_cases
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT, loaded

OVERLAYS = ROOT / "istio" / "overlays"
FILES = sorted(ROOT.glob("istio/**/*.test.yaml"))
UNREACHABLE = {"authorization": 1, "jwt": 1}
"""Overlays with rules that no case can reach: for the port of the metrics, which no Service has."""

pytestmark = pytest.mark.xdist_group("overlays")
"""Beside the other tests that read all overlays: each is built once in a process."""


def test_every_overlay_has_a_file_and_so_has_every_step() -> None:
    """Beside its kustomization; those for controllers have objects that localmesh does not support."""
    folders = {path.parent for path in OVERLAYS.rglob("kustomization.yaml")}

    without = {path.relative_to(OVERLAYS).parts[0] for path in folders - {file.parent for file in FILES}}

    assert without == FOR_CONTROLLERS


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_all_cases_pass_and_reach_every_rule(path: Path) -> None:
    """Apart from the rules that no case can reach."""
    (file,) = read_case_files([path])

    run = run_cases(file.cases, manifests(file))

    report = reports.text(reports.Report([run]), quiet=True, with_coverage=True)
    assert all(result.passed for result in run.results), report
    assert len(run.coverage.missing) == UNREACHABLE.get(path.parent.name, 0), report


def manifests(file: CaseFile) -> LoadResult:
    """The manifests that the file names: its own folder as a kustomization, or files."""
    if file.kustomizations:
        assert file.kustomizations == (Path(file.file).parent,)
        return loaded(Path(file.file).parent)
    return load(files=file.manifests)
