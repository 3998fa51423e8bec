"""Injected faults on the real application: proven for the tester, refuted where others meet them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]

SCENARIO = "fault-injection"
FAULT = "envoy.filters.http.fault"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(SCENARIO), overlay("base")) as running:
        yield running


def without_faults(config: Any) -> None:
    for routes in config.routes:
        for host in routes["virtualHosts"]:
            for route in host["routes"]:
                route.get("typedPerFilterConfig", {}).pop(FAULT, None)


def test_faults_for_everybody_fail_the_proof(mesh: ProofMesh) -> None:
    """The overlay made wrong: its match is gone."""
    mesh.apply(
        edited(
            overlay(SCENARIO), "VirtualService", "logic", lambda body: body["spec"]["http"][0].pop("match")
        )
    )

    assert mesh.prove(SCENARIO).status == 1


def test_a_mesh_that_injects_nothing_fails_the_proof(mesh: ProofMesh) -> None:
    """The manifest says faults, the Envoys were told none."""
    with translated_wrongly(without_faults):
        mesh.apply(overlay(SCENARIO))
        proven = mesh.prove(SCENARIO)

    assert proven.status == 1
    assert (proven.verdicts["tester's aborts"], proven.verdicts["tester's delays"]) == ("FAIL", "FAIL")
