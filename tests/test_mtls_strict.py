"""Strict mTLS on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localmesh.manifests import Resource
from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

SCENARIO = "mtls-strict"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(SCENARIO), overlay("base")) as mesh:
        yield mesh


def without(kind: str, name: str) -> list[Resource]:
    """The overlay without one of its objects."""
    return [each for each in overlay(SCENARIO) if (each.kind, each.name) != (kind, name)]


def test_the_plain_application_fails_the_proof(running: ProofMesh) -> None:
    """Without the overlay every port takes plain text."""
    running.apply(overlay("base"))

    assert running.prove(SCENARIO).status == 1


def test_the_overlay_in_force_is_proven(running: ProofMesh) -> None:
    """Whatever connections there are from before: PASS."""
    running.apply(overlay(SCENARIO))

    proven = running.prove(SCENARIO)

    assert proven.status == 0, str(proven)
    assert proven.expected["plain text to logic:8080"] == "refused"
    assert proven.expected["plain text to logic:9102"] == "answered"


def test_edited_policies_are_what_gets_proven(running: ProofMesh) -> None:
    """No exception for metrics, and one for feedback."""

    def for_feedback(body: dict[str, Any]) -> None:
        body["spec"] = {"selector": {"matchLabels": {"app": "feedback"}}, "mtls": {"mode": "PERMISSIVE"}}

    running.apply(edited(overlay(SCENARIO), "PeerAuthentication", "metrics", for_feedback))

    proven = running.prove(SCENARIO)

    assert proven.status == 0, str(proven)
    assert proven.expected["plain text to logic:9102"] == "refused"
    assert proven.expected["plain text to feedback:8080"] == "answered"


def test_without_its_policy_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """What is left excepts a port from nothing."""
    running.apply(without("PeerAuthentication", "default"))

    proven = running.prove(SCENARIO)

    assert proven.status == 1
    assert proven.verdicts["ports that refuse plain text"] == "FAIL"
    assert proven.expected["plain text to logic:8080"] == "answered"


def test_a_mesh_that_takes_plain_text_all_the_same_fails_the_proof(running: ProofMesh) -> None:
    """The manifest says STRICT, the Envoys were told otherwise."""
    running.apply(overlay("base"))
    with translated_wrongly(_with_plain_text):
        running.apply(overlay(SCENARIO))

        found = running.prove(SCENARIO).verdicts

    assert found["plain text to logic:8080"] == found["plain text to frontend:8080"] == "FAIL"
    assert found["failures inside the mesh"] == found["caller of logic"] == "PASS"


def _with_plain_text(config: Any) -> None:
    """Gives every inbound listener a filter chain for plain text besides."""
    for listener in config.listeners:
        if listener["trafficDirection"] == "INBOUND":
            (strict,) = listener["filterChains"]
            plain = {"filterChainMatch": {"transportProtocol": "raw_buffer"}, "name": "plain"}
            listener["filterChains"] = [strict, {**plain, "filters": strict["filters"]}]
