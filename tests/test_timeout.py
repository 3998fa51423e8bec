"""The deadline on the real application: proven where it is configured, refuted where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay, with_environment
from tests.proof_mesh import ProofMesh, bed, edited, route_actions, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("timeout"), quick("base")) as running:
        yield running


def quick(scenario: str) -> list[Resource]:
    """The scenario, hanging for two seconds instead of three."""
    return with_environment(overlay(scenario), "logic-v2", HANG_SECONDS="2")


def with_timeout(resources: list[Resource], timeout: str) -> list[Resource]:
    def change(body: dict[str, Any]) -> None:
        body["spec"]["http"][0]["timeout"] = timeout

    return edited(resources, "VirtualService", "logic", change)


def without_deadlines(config: Any) -> None:
    for action in route_actions(config):
        action["timeout"] = "0s"


def test_a_deadline_that_nothing_runs_into_fails_the_proof(mesh: ProofMesh) -> None:
    """Longer than any hang."""
    mesh.apply(with_timeout(quick("timeout"), "5s"))

    assert mesh.prove("timeout").status == 1


def test_a_mesh_that_keeps_no_deadline_fails_the_proof(mesh: ProofMesh) -> None:
    """The manifest says a deadline, the Envoys were told none."""
    with translated_wrongly(without_deadlines):
        mesh.apply(with_timeout(quick("timeout"), "500ms"))
        proven = mesh.prove("timeout")

    assert proven.status == 1
    assert proven.verdicts["later than 0.5 s + 1 s"] == "FAIL"
    assert proven.verdicts["timed out with 504"] == "FAIL"
