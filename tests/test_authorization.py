"""Authorization on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live import overlay
from tests.proof_mesh import ProofMesh, Proven, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

OVERLAY = "authorization"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(OVERLAY), overlay(OVERLAY)) as mesh:
        yield mesh


def without(*policies: str) -> list[Any]:
    """The overlay less some policies."""
    return [
        each for each in overlay(OVERLAY) if each.kind != "AuthorizationPolicy" or each.name not in policies
    ]


def with_rules(**changes: Callable[[dict[str, Any]], None]) -> list[Any]:
    """The overlay with the rule of some policies changed."""
    resources = overlay(OVERLAY)
    for policy, change in changes.items():
        resources = edited(resources, "AuthorizationPolicy", policy, _first_rule(change))
    return resources


def _first_rule(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    return lambda body: change(body["spec"]["rules"][0])


def failed(proven: Proven) -> set[str]:
    return {name for name, verdict in proven.verdicts.items() if verdict == "FAIL"}


def forbidden(proven: Proven) -> set[str]:
    """The checks of pairs that must be refused."""
    return {name for name, expected in proven.expected.items() if "403" in expected}


def test_the_overlay_in_force_is_proven(running: ProofMesh) -> None:
    """Every pair, allowed and forbidden: PASS."""
    running.apply(overlay(OVERLAY))

    proven = running.prove(OVERLAY)

    assert proven.status == 0, str(proven)


def test_the_plain_application_fails_the_proof(running: ProofMesh) -> None:
    """Without policies everybody is let in."""
    running.apply(overlay("base"))

    proven = running.prove(OVERLAY)

    assert proven.status == 1
    assert "no AuthorizationPolicy" in str(proven)


def test_without_the_default_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """What has no policy of its own is open then."""
    running.apply(without("default"))

    proven = running.prove(OVERLAY)

    assert proven.status == 1
    assert failed(proven) == {"gateway to frontend v2", "no identity to frontend"}


def test_without_policies_of_services_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """Nobody is let in there: the default still denies."""
    running.apply(without("logic", "feedback"))

    proven = running.prove(OVERLAY)

    assert proven.status == 1
    assert failed(proven) == {"webapp to logic", "gateway to feedback: POST"}


def test_widened_rules_fail_the_proof(running: ProofMesh) -> None:
    """Exactly what each of them lets in is found."""
    impostor = "cluster.local/ns/sentimesh/sa/impostor"
    running.apply(
        with_rules(
            logic=lambda rule: rule["from"][0]["source"]["principals"].append(impostor),
            feedback=lambda rule: rule["to"][0]["operation"]["methods"].append("GET"),
            frontend=lambda rule: rule.pop("from"),
        )
    )

    proven = running.prove(OVERLAY)

    assert proven.status == 1
    assert failed(proven) == {"impostor to logic", "gateway to feedback: GET", "no identity to frontend"}


def test_a_rule_that_allows_everything_fails_the_proof(running: ProofMesh) -> None:
    """In the policy of all pods it opens every door, whatever the others say."""
    running.apply(with_rules(default=lambda rule: rule.pop("to")))

    proven = running.prove(OVERLAY)

    assert failed(proven) == forbidden(proven)


def test_a_mesh_that_ignores_policies_fails_the_proof(running: ProofMesh) -> None:
    """Manifests that refuse over Envoys that do not: each forbidden pair says FAIL."""

    def ignored(config: Any) -> None:
        for slot in config.policies:
            slot["typedConfig"] = {"@type": slot["typedConfig"]["@type"]}

    running.apply(overlay("base"))
    with translated_wrongly(ignored):
        running.apply(overlay(OVERLAY))

        proven = running.prove(OVERLAY)

    assert failed(proven) == forbidden(proven)
    assert proven.verdicts["webapp to logic"] == "PASS"
