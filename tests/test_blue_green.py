"""Blue-green on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from loadgen.http1 import Target
from loadgen.meshstate import MeshApi
from loadgen.proofs import blue_green
from loadgen.proofs.common.proof import ProofContext, run
from loadgen.reporting.progress import listener
from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("blue-green"), overlay("blue-green")) as mesh:
        yield mesh


def impatient(running: ProofMesh, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The verdicts of the proof if it waits half a second, not 30, for a switch that does not come."""
    monkeypatch.setattr(blue_green, "SETTLING_SECONDS", 0.5)
    with MeshApi(running.api, "sentimesh") as api:
        bench = ProofContext(api, Target.from_url(api.gateway()), listener("blue-green"))
        result = run(blue_green.PROOF, bench)
    return {check.name: str(check.verdict) for check in result.checks}


def weights(running: ProofMesh) -> list[int]:
    """The weights of the page's route in force."""
    path = "apis/networking.istio.io/v1/namespaces/sentimesh/virtualservices/ingress"
    item = requests.get(f"{running.api}/{path}", timeout=10).json()
    return [entry["weight"] for entry in item["spec"]["http"][-1]["route"]]


def test_a_standby_without_pods_fails_the_proof(running: ProofMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users would be sent to nobody: requests are lost."""

    def nobody(body: dict[str, Any]) -> None:
        body["spec"]["replicas"] = 0

    running.apply(edited(overlay("blue-green"), "Deployment", "frontend-v2", nobody))

    found = impatient(running, monkeypatch)

    assert found["v1 to v2: lost"] == found["v1 to v2: then all v2"] == "FAIL"
    assert weights(running) == [100, 0]


def test_a_mesh_that_does_not_switch_fails_the_proof(
    running: ProofMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are changed, and the Envoys go on as before."""

    def blue_for_ever(config: Any) -> None:
        for routes in config.routes:
            for host in routes["virtualHosts"]:
                for route in host["routes"]:
                    for cluster in route.get("route", {}).get("weightedClusters", {}).get("clusters", ()):
                        cluster["name"] = cluster["name"].replace("|v2|", "|v1|")

    running.apply(overlay("base"))
    with translated_wrongly(blue_for_ever):
        running.apply(overlay("blue-green"))

        found = impatient(running, monkeypatch)

    assert found["v1 to v2: lost"] == "PASS"
    assert found["v1 to v2: then all v2"] == "FAIL"
