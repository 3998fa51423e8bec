"""A/B testing on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, route_actions, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("ab-testing"), overlay("ab-testing")) as mesh:
        yield mesh


def test_weighted_subsets_fail_the_proof(running: ProofMesh) -> None:
    """The well-known trap: a hash does nothing between them."""

    def weighted(body: dict[str, Any]) -> None:
        body["spec"]["http"][-1]["route"] = [
            {"destination": {"host": "frontend", "subset": version}, "weight": 50} for version in ("v1", "v2")
        ]

    running.apply(edited(overlay("ab-testing"), "VirtualService", "ingress", weighted))

    proven = running.prove("ab-testing")

    assert proven.status == 1
    assert "draws one for each request" in str(proven)


def test_a_mesh_that_does_not_hash_fails_the_proof(running: ProofMesh) -> None:
    """A manifest with a hash over Envoys that balance as usual."""

    def without_hash(config: Any) -> None:
        for action in route_actions(config):
            action.pop("hashPolicy", None)

    running.apply(overlay("base"))
    with translated_wrongly(without_hash):
        running.apply(overlay("ab-testing"))

        found = running.prove("ab-testing").verdicts

    assert found["same value, same pod"] == found["pages of one version"] == "FAIL"
