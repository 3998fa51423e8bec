"""The canary on the real application: refuted where it does not hold; that it does is proven by its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesh.manifests import Resource, load
from tests.live import ROOT, overlay, with_environment
from tests.proof_mesh import ProofMesh, bed, route_actions, translated_wrongly


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("canary"), quick("base")) as running:
        yield running


def quick(scenario: str) -> list[Resource]:
    """The scenario, hanging for a third of a second instead of three: the odds stay."""
    return with_environment(overlay(scenario), "logic-v2", HANG_SECONDS="0.3")


def evenly(config: Any) -> None:
    for action in route_actions(config):
        for cluster in action.get("weightedClusters", {}).get("clusters", []):
            cluster["weight"] = 50


@pytest.mark.mesh
@pytest.mark.xdist_group("application")
def test_a_mesh_that_splits_evenly_fails_the_proof(mesh: ProofMesh) -> None:
    """An 80/20 manifest over 50/50 traffic: the proof says FAIL about the shares."""
    with translated_wrongly(evenly):
        mesh.apply(quick("canary"))
        proven = mesh.prove("canary")

    assert proven.status == 1
    assert proven.verdicts["share of v2"] == "FAIL"


@pytest.mark.parametrize(
    "folder", [".", *(path.parent.name for path in ROOT.glob("istio/overlays/canary/*/kustomization.yaml"))]
)
def test_a_step_has_the_weights_of_its_name(folder: str) -> None:
    """The overlay itself is 80/20, the steps before and behind it are called what they are."""
    steps = Path(ROOT, "istio", "overlays", "canary", folder)

    route = next(
        each
        for each in load(kustomizations=[steps]).resources
        if each.name == "logic" and each.kind == "VirtualService"
    )

    weights = [destination["weight"] for destination in route.spec["http"][0]["route"]]
    assert "-".join(map(str, weights)) == ("80-20" if folder == "." else folder)
