"""User routing on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay, with_environment
from tests.proof_mesh import ProofMesh, bed, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


def quick(name: str) -> list[Resource]:
    """An overlay whose faulty version hangs for a fifth of a second instead of three: the odds stay."""
    return with_environment(overlay(name), "logic-v2", HANG_SECONDS="0.2")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    folder: Path = tmp_path_factory.mktemp("user-routing")
    with bed(folder, quick("user-routing")) as mesh:
        yield mesh


def test_without_the_decision_inside_the_proof_fails(running: ProofMesh) -> None:
    """The gateway alone is half of the scenario."""
    plain = {(each.kind, each.name): each for each in quick("base")}
    resources = [
        plain["VirtualService", "logic"] if (each.kind, each.name) == ("VirtualService", "logic") else each
        for each in quick("user-routing")
    ]
    running.apply(resources)

    proven = running.prove("user-routing")

    assert proven.status == 1
    assert "routes logic regardless of the header" in str(proven)


def test_a_mesh_that_ignores_the_header_fails_the_proof(running: ProofMesh) -> None:
    """Manifests that decide by group over Envoys that do not: the members' checks say FAIL."""
    running.apply(quick("base"))
    with translated_wrongly(_without_groups):
        running.apply(quick("user-routing"))

        found = running.prove("user-routing").verdicts

    assert found["edge: internal to v2"] == "FAIL"
    assert found["inside: external to v1"] == "FAIL"
    assert found["edge: others to v2"] == "PASS"


def _without_groups(config: Any) -> None:
    """Takes every route away that asks for the header."""
    for routes in config.routes:
        for host in routes["virtualHosts"]:
            host["routes"] = [route for route in host["routes"] if "user-group" not in str(route["match"])]
