"""User routing on the real application: proven where it holds, refuted where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadgen.judge import Verdict
from localmesh import mesh as mesh_module
from localmesh.catalog import Catalog, Proxy
from localmesh.manifests import Resource
from localmesh.translate import ProxyConfig
from tests.live import Live, live, overlay, with_environment
from tests.proving import apply, edited, not_passed, prove, verdicts

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("user-routing")]


def quick(name: str) -> list[Resource]:
    """An overlay whose faulty version hangs for a fifth of a second instead of three: the odds stay."""
    return with_environment(overlay(name), "logic-v2", HANG_SECONDS="0.2")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("user-routing")
    with live(folder, quick("user-routing")) as mesh:
        yield mesh


def test_the_overlay_in_force_is_proven(running: Live) -> None:
    """Every group at the edge and inside: PASS."""
    apply(running, quick("user-routing"))

    assert not_passed(prove(running, "user-routing")) == {}


def test_edited_weights_and_versions_are_what_gets_proven(running: Live) -> None:
    """Others 50/50 at the edge, and external users to the new page: proven as such."""

    def other(spec: dict[str, Any]) -> None:
        spec["http"][3]["route"][0]["destination"]["subset"] = "v2"
        for destination in spec["http"][4]["route"]:
            destination["weight"] = 50

    apply(running, edited(quick("user-routing"), "VirtualService", "ingress", other))

    result = prove(running, "user-routing")

    assert not_passed(result) == {}
    assert {"edge: external to frontend v2"} <= set(verdicts(result))
    assert "50 % of others" in {check.expected for check in result.checks}


def test_the_plain_application_fails_the_proof(running: Live) -> None:
    """Without the overlay nobody's group matters."""
    apply(running, quick("base"))

    assert prove(running, "user-routing").verdict is Verdict.FAIL


def test_without_the_decision_inside_the_proof_fails(running: Live) -> None:
    """The gateway alone is half of the scenario."""
    plain = {(each.kind, each.name): each for each in quick("base")}
    resources = [
        plain["VirtualService", "logic"] if (each.kind, each.name) == ("VirtualService", "logic") else each
        for each in quick("user-routing")
    ]
    apply(running, resources)

    result = prove(running, "user-routing")

    assert result.verdict is Verdict.FAIL
    assert "routes logic without regard to the header" in result.checks[0].reason


def test_a_mesh_that_ignores_the_header_fails_the_proof(
    running: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifests that decide by group over Envoys that do not: both members' checks say FAIL."""
    right = mesh_module.translate

    def wrong(catalog: Catalog, proxy: Proxy) -> ProxyConfig:
        config = right(catalog, proxy)
        for routes in config.routes:
            for host in routes["virtualHosts"]:
                host["routes"] = [
                    route for route in host["routes"] if "user-group" not in str(route["match"])
                ]
        return config

    monkeypatch.setattr(mesh_module, "translate", wrong)
    apply(running, quick("base"))
    apply(running, quick("user-routing"))

    found = verdicts(prove(running, "user-routing"))

    assert found["edge: internal to frontend v2"] is Verdict.FAIL
    assert found["inside: external to logic v1"] is Verdict.FAIL
    assert found["edge: others to frontend v2"] is Verdict.PASS
