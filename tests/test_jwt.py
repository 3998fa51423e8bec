"""Tokens on the real application: proven where they are asked for, refuted where they are not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.live import overlay
from tests.proof_mesh import LOADGEN, ProofMesh, Proven, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

OVERLAY = "jwt"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(OVERLAY), overlay(OVERLAY)) as mesh:
        yield mesh


def with_rules(change: Callable[[list[dict[str, Any]]], None]) -> list[Any]:
    """The overlay with the rules of its AuthorizationPolicy changed."""
    return edited(
        overlay(OVERLAY), "AuthorizationPolicy", "feedback", lambda body: change(body["spec"]["rules"])
    )


def failed(proven: Proven) -> set[str]:
    return {name for name, verdict in proven.verdicts.items() if verdict == "FAIL"}


def test_the_overlay_in_force_is_proven(running: ProofMesh) -> None:
    """Every kind of token: PASS."""
    running.apply(overlay(OVERLAY))

    proven = running.prove(OVERLAY)

    assert proven.status == 0, str(proven)


def test_a_minted_token_opens_what_the_page_says(running: ProofMesh) -> None:
    """`loadgen token` makes what curl needs."""
    running.apply(overlay(OVERLAY))
    gateway = requests.get(f"{running.api}/mesh", timeout=5).json()["gateways"]["istio-ingressgateway"][
        "http"
    ]

    def read(*options: str) -> int:
        minted = subprocess.run([LOADGEN, "token", *options], capture_output=True, text=True, check=True)
        bearer = {"authorization": f"Bearer {minted.stdout.strip()}"}
        return requests.get(f"{gateway}/feedback", headers=bearer, timeout=5).status_code

    assert read("--group", "moderator") == 200
    assert read("--group", "guest") == 403
    assert read("--group", "moderator", "--expired") == 401


def test_an_edited_claim_is_what_gets_proven(running: ProofMesh) -> None:
    """Another claim with another value."""

    def other(rules: list[dict[str, Any]]) -> None:
        rules[1]["when"][0] = {"key": "request.auth.claims[role]", "values": ["editor"]}

    running.apply(with_rules(other))

    proven = running.prove(OVERLAY)

    assert proven.status == 0, str(proven)
    assert proven.verdicts["read, role editor"] == "PASS"


def test_the_plain_application_fails_the_proof(running: ProofMesh) -> None:
    """Without the overlay everybody reads."""
    running.apply(overlay("base"))

    assert running.prove(OVERLAY).status == 1


def test_without_the_policy_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """Tokens are verified, but nobody asks for one."""
    running.apply([each for each in overlay(OVERLAY) if each.kind != "AuthorizationPolicy"])

    proven = running.prove(OVERLAY)

    assert proven.status == 1
    assert "no AuthorizationPolicy" in str(proven)


def test_a_rule_that_asks_for_no_token_fails_the_proof(running: ProofMesh) -> None:
    """Beside the right one it lets everybody read."""
    running.apply(with_rules(lambda rules: rules.append({"to": [{"operation": {"methods": ["GET"]}}]})))

    proven = running.prove(OVERLAY)

    assert failed(proven) == {
        "read, no token",
        "read, another group",
        "read, no group",
        "read past the gateway, no token",
    }


def test_rules_made_wrong_fail_the_proof(running: ProofMesh) -> None:
    """One that lets another group read, and none that lets anybody write: exactly that is found."""

    def wrong(rules: list[dict[str, Any]]) -> None:
        rules[1]["when"][0]["values"].append("not-moderator")
        del rules[0]

    running.apply(with_rules(wrong))

    assert failed(running.prove(OVERLAY)) == {"read, another group", "write, no token"}


def test_a_mesh_that_does_not_verify_fails_the_proof(running: ProofMesh) -> None:
    """Envoys that look at no token: bad ones are not refused as such, and good ones are worth nothing."""

    def unverified(config: Any) -> None:
        for slot in config.policies:
            if slot["name"] == "tokens":
                slot["typedConfig"] = {"@type": slot["typedConfig"]["@type"]}

    running.apply(overlay("base"))
    with translated_wrongly(unverified):
        running.apply(overlay(OVERLAY))

        found = running.prove(OVERLAY).verdicts

    assert found["read, group moderator"] == found["read, expired"] == found["write, expired"] == "FAIL"
    assert found["read, no token"] == found["write, no token"] == "PASS"
