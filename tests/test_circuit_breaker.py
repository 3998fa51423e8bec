"""The circuit breaker on the real application: proven where it is, refuted where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]

SCENARIO = "circuit-breaker"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(SCENARIO), overlay("base")) as running:
        yield running


def with_pool(connections: int, pending: int) -> list[Resource]:
    def change(body: dict[str, Any]) -> None:
        body["spec"]["trafficPolicy"]["connectionPool"] = {
            "tcp": {"maxConnections": connections},
            "http": {"http1MaxPendingRequests": pending},
        }

    return edited(overlay(SCENARIO), "DestinationRule", "webapp", change)


def without_limits(config: Any) -> None:
    for cluster in config.clusters:
        cluster.pop("circuitBreakers", None)


def test_a_pool_that_never_overflows_fails_the_proof(mesh: ProofMesh) -> None:
    """The overlay made wrong: it limits nothing that anybody reaches."""
    mesh.apply(with_pool(1000, 1000))

    assert mesh.prove(SCENARIO).status == 1


def test_a_mesh_without_limits_fails_the_proof(mesh: ProofMesh) -> None:
    """The manifest says a pool of one, the Envoys were told none: nothing is refused, everything is slow."""
    with translated_wrongly(without_limits):
        mesh.apply(overlay(SCENARIO))
        proven = mesh.prove(SCENARIO)

    assert proven.status == 1
    assert proven.verdicts["refused when flooded"] == "FAIL"
    # FAIL, but left open where this machine was too busy to send in time
    assert proven.verdicts["slow among admitted"] != "PASS"
