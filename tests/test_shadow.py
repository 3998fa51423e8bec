"""The shadow on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay, with_environment
from tests.proof_mesh import ProofMesh, bed, edited, route_actions, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


def quick(name: str) -> list[Resource]:
    """An overlay whose faulty version hangs for a fifth of a second instead of three: the odds stay."""
    return with_environment(overlay(name), "logic-v2", HANG_SECONDS="0.2")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("shadow"), quick("shadow")) as mesh:
        yield mesh


def test_without_the_mirror_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """A percentage without a mirror is none."""

    def without(body: dict[str, Any]) -> None:
        del body["spec"]["http"][0]["mirror"], body["spec"]["http"][0]["mirrorPercentage"]

    running.apply(edited(quick("shadow"), "VirtualService", "logic", without))

    assert running.prove("shadow").status == 1


def test_a_mesh_that_mirrors_half_fails_the_proof(running: ProofMesh) -> None:
    """A manifest that says all over Envoys that copy every second request."""

    def half(config: Any) -> None:
        for action in route_actions(config):
            for policy in action.get("requestMirrorPolicies", ()):
                policy["runtimeFraction"] = {"defaultValue": {"numerator": 50, "denominator": "HUNDRED"}}

    running.apply(quick("base"))
    with translated_wrongly(half):
        running.apply(quick("shadow"))

        found = running.prove("shadow").verdicts

    assert found["copies to v2"] == found["copies of feedback"] == "FAIL"
    assert found["users see failures"] == found["each feedback stored once"] == "PASS"
