"""Egress on the real application: proven where it is closed, refuted where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

SCENARIO = "egress"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(SCENARIO), overlay(SCENARIO)) as mesh:
        yield mesh


def without(kind: str) -> list[Resource]:
    """The overlay without its objects of a kind."""
    return [each for each in overlay(SCENARIO) if each.kind != kind]


def test_the_overlay_in_force_is_proven(running: ProofMesh) -> None:
    """The judge is reached by the name that has an entry, and refused by the other: PASS."""
    running.apply(overlay(SCENARIO))

    proven = running.prove(SCENARIO)

    assert proven.status == 0, str(proven)
    assert proven.expected["to judge.example"] == "200 of webapp, logic"
    assert proven.expected["to judge.outside.svc.cluster.local"] == "502 of webapp: logic answered 502"


def test_an_edited_entry_is_what_gets_proven(running: ProofMesh) -> None:
    """With the entry for the other name, that one is reached, and the first is refused."""

    def other_name(body: dict[str, Any]) -> None:
        body["spec"]["hosts"] = ["other.example"]

    def call_other(body: dict[str, Any]) -> None:
        (url,) = (
            each
            for each in body["spec"]["template"]["spec"]["containers"][1]["env"]
            if each["name"] == "LOGIC_URL"
        )
        url["value"] = "http://other.example"

    changed = edited(overlay(SCENARIO), "ServiceEntry", "judge", other_name)
    running.apply(edited(changed, "Deployment", "courier", call_other))

    proven = running.prove(SCENARIO)

    assert proven.status == 0, str(proven)
    assert proven.expected["to other.example"] == "200 of webapp, logic"
    assert proven.expected["to judge.example"] == "502 of webapp: logic answered 502"


def test_the_plain_application_fails_the_proof(running: ProofMesh) -> None:
    """Without the overlay any host may be called."""
    running.apply(overlay("base"))

    assert running.prove(SCENARIO).status == 1


def test_without_the_entry_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """Nothing outside is reached then."""
    running.apply(without("ServiceEntry"))

    proven = running.prove(SCENARIO)

    assert proven.status == 1
    assert "has a ServiceEntry" in str(proven)


def test_with_all_hosts_allowed_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """Nothing is refused then."""

    def allow(body: dict[str, Any]) -> None:
        body["spec"]["outboundTrafficPolicy"]["mode"] = "ALLOW_ANY"

    running.apply(edited(overlay(SCENARIO), "Sidecar", "default", allow))

    proven = running.prove(SCENARIO)

    assert proven.status == 1
    assert "lets every call out" in str(proven)


def test_without_anybody_outside_nothing_is_proven(running: ProofMesh) -> None:
    """That nobody is reached says nothing then: INCONCLUSIVE."""

    def nobody(body: dict[str, Any]) -> None:
        body["spec"]["replicas"] = 0

    running.apply(edited(overlay(SCENARIO), "Deployment", "judge", nobody))

    proven = running.prove(SCENARIO)

    assert proven.status == 3
    assert "no pod of judge is ready" in str(proven)


def test_a_mesh_that_lets_unknown_hosts_out_fails_the_proof(running: ProofMesh) -> None:
    """The manifest says REGISTRY_ONLY, the Envoys send what they do not know to the judge."""
    running.apply(overlay("base"))
    with translated_wrongly(_all_to_the_judge):
        running.apply(overlay(SCENARIO))

        found = running.prove(SCENARIO).verdicts

    assert found["to judge.outside.svc.cluster.local"] == found["arrived outside"] == "FAIL"
    assert found["to judge.example"] == found["to logic"] == "PASS"


def test_a_mesh_without_the_entry_fails_the_proof(running: ProofMesh) -> None:
    """The manifest has one, the Envoys were not told."""
    running.apply(overlay("base"))
    with translated_wrongly(_without_the_entry):
        running.apply(overlay(SCENARIO))

        found = running.prove(SCENARIO).verdicts

    assert found["to judge.example"] == found["arrived outside"] == "FAIL"
    assert found["to judge.outside.svc.cluster.local"] == found["to logic"] == "PASS"


def _all_to_the_judge(config: Any) -> None:
    """Has the last virtual host pass on what it ought to refuse."""
    for routes in config.routes:
        for host in routes["virtualHosts"]:
            if host["name"] == "block_all":
                (route,) = host["routes"]
                route.pop("directResponse", None)  # several listeners may share a virtual host
                route["route"] = {"cluster": "outbound|80||judge.example"}


def _without_the_entry(config: Any) -> None:
    """Takes the virtual host of the entry away."""
    for routes in config.routes:
        routes["virtualHosts"] = [
            host for host in routes["virtualHosts"] if not host["name"].startswith("judge.example")
        ]
