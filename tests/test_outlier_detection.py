"""Ejection on the real application: proven where it is configured, refuted where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]

SCENARIO = "outlier-detection"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(SCENARIO), overlay(SCENARIO)) as running:
        yield running


def with_detection(**changes: Any) -> list[Resource]:
    def change(body: dict[str, Any]) -> None:
        body["spec"]["trafficPolicy"]["outlierDetection"].update(changes)

    return edited(overlay(SCENARIO), "DestinationRule", "logic", change)


def without_detection(config: Any) -> None:
    for cluster in config.clusters:
        cluster.pop("outlierDetection", None)


def test_a_mesh_that_ejects_nothing_fails_the_proof(mesh: ProofMesh) -> None:
    """The manifest says ejection, the Envoys were told none: the sick pod goes on failing."""
    with translated_wrongly(without_detection):
        mesh.apply(with_detection(consecutive5xxErrors=4))
        proven = mesh.prove(SCENARIO)

    assert proven.status == 1
    assert proven.verdicts["requests to it during ejection"] == "FAIL"
    assert proven.verdicts["it comes back"] == "FAIL"


def test_ejection_switched_off_fails_the_proof(mesh: ProofMesh) -> None:
    """The overlay made wrong: no number of failures is too many."""
    mesh.apply(with_detection(consecutive5xxErrors=0))

    assert mesh.prove(SCENARIO).status == 1
