"""istioctl accepts every overlay."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live import ROOT

OVERLAYS = [
    ROOT / "istio" / "base",
    *sorted(path.parent for path in ROOT.glob("istio/overlays/**/kustomization.yaml")),
]
OF_ANY_ENVOY_FILTER = "Warning [IST0133] (EnvoyFilter "
"""That EnvoyFilters depend on internals of Istio, which istioctl says of each one."""
ISTIOCTL, KUBECTL = shutil.which("istioctl"), shutil.which("kubectl")

pytestmark = pytest.mark.skipif(
    ISTIOCTL is None or KUBECTL is None, reason="istioctl or kubectl is not on the PATH"
)


@pytest.fixture(params=OVERLAYS, ids=[str(path.relative_to(ROOT)) for path in OVERLAYS])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An overlay, built by kustomize."""
    file = tmp_path / "overlay.yaml"
    finished = subprocess.run([str(KUBECTL), "kustomize", request.param], capture_output=True, check=True)
    file.write_bytes(finished.stdout)
    return file


@pytest.mark.parametrize("check", [["validate", "-f"], ["analyze", "--use-kube=false", "--all-namespaces"]])
def test_istioctl_reports_no_problem(built: Path, check: list[str]) -> None:
    """No invalid field and no reference to a missing object."""
    finished = subprocess.run([str(ISTIOCTL), *check, built], capture_output=True, text=True, check=False)

    output = finished.stdout + finished.stderr
    assert finished.returncode == 0, output
    assert "Warning" not in output.replace(OF_ANY_ENVOY_FILTER, "")
    assert "Error" not in output
