"""Manifests like those of well-known projects load unchanged."""

from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load

FOLDER = Path(__file__).parent / "others"
ROOT = Path(__file__).resolve().parents[3]
WARNED = {"shop": ["SM227"]}
"""No pod names its Redis."""


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_manifests_of_others_load_without_problems(file: Path) -> None:
    """No errors, and only the warnings about what a cluster can do and localmesh cannot."""
    loaded = load(files=[file])

    assert loaded.resources
    assert [warning.code for warning in analyze_manifests(loaded)] == WARNED.get(file.stem, [])


@pytest.mark.parametrize("folder", ["k8s/base", "istio/base", "istio/overlays/canary"])
def test_our_own_manifests_load_without_problems(folder: str) -> None:
    """The base alone, with Istio, and with the first overlay."""
    loaded = load(kustomizations=[ROOT / folder])

    assert loaded.resources
    assert analyze_manifests(loaded) == ()
