"""The switch of blue-green on the real application; its proof changes the mesh itself."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from loadgen.proofs import blue_green
from tests.live import overlay
from tests.proof_mesh import ProofMesh, SmallerSamples, edited, translated_wrongly
from tests.scenarios.faults import blue_only
from tests.scenarios.groups import SHARES

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group(SHARES)]


def verdicts_of_short_proof(mesh: ProofMesh, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The verdicts of a proof that sends less and waits 0.5 s, not 30 s, for a switch."""
    monkeypatch.setattr(blue_green, "SETTLING_SECONDS", 0.5)
    return mesh.prove("blue-green", SmallerSamples).verdicts


def weights(mesh: ProofMesh) -> list[int]:
    """The applied weights of the page's route."""
    path = "apis/networking.istio.io/v1/namespaces/sentimesh/virtualservices/ingress"
    item = requests.get(f"{mesh.api}/{path}", timeout=10).json()
    return [entry["weight"] for entry in item["spec"]["http"][-1]["route"]]


def test_a_standby_without_pods_fails_the_proof(mesh: ProofMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests would have no endpoint and be lost."""

    def without_pods(body: dict[str, Any]) -> None:
        body["spec"]["replicas"] = 0

    mesh.apply(edited(overlay("blue-green"), "Deployment", "frontend-v2", without_pods))

    verdicts = verdicts_of_short_proof(mesh, monkeypatch)

    assert verdicts["v1 to v2: lost"] == verdicts["v1 to v2: then all v2"] == "FAIL"
    assert weights(mesh) == [100, 0]


def test_a_mesh_that_does_not_switch_fails_the_proof(
    mesh: ProofMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights change in the manifests but not in the Envoys."""

    mesh.apply(overlay("base"))
    with translated_wrongly(blue_only):
        mesh.apply(overlay("blue-green"))

        verdicts = verdicts_of_short_proof(mesh, monkeypatch)

    assert verdicts["v1 to v2: lost"] == "PASS"
    assert verdicts["v1 to v2: then all v2"] == "FAIL"
