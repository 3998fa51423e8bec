"""Manifests in the shape of well-known projects: they must load as they are."""

from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load

FOLDER = Path(__file__).parent / "others"
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_manifests_of_others_load_without_a_word(file: Path) -> None:
    """No error, no warning."""
    loaded = load(files=[file])

    assert loaded.resources
    assert analyze_manifests(loaded) == ()


@pytest.mark.parametrize("folder", ["k8s/base", "istio/base", "istio/overlays/canary"])
def test_our_own_manifests_load_without_a_word(folder: str) -> None:
    """The base alone, with Istio, and with the first overlay."""
    loaded = load(kustomizations=[ROOT / folder])

    assert loaded.resources
    assert analyze_manifests(loaded) == ()
