"""Header operations on the real application: proven where they hold, refuted where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live import overlay
from tests.proof_mesh import ProofMesh, bed, edited, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application-calm")]

OVERLAY = "header-operations"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp(OVERLAY), overlay(OVERLAY)) as mesh:
        yield mesh


def changed(change: Callable[[dict[str, dict[str, Any]]], None]) -> list[Any]:
    """The overlay with its routes, by name, changed."""

    def change_body(body: dict[str, Any]) -> None:
        change({each["name"]: each for each in body["spec"]["http"]})

    return edited(overlay(OVERLAY), "VirtualService", "ingress", change_body)


def test_without_the_redirect_the_overlay_fails_the_proof(running: ProofMesh) -> None:
    """One kind of operation less than the scenario shows."""

    def without(routes: dict[str, dict[str, Any]]) -> None:
        destination = routes["page"]["route"]
        del routes["moved"]["redirect"]
        routes["moved"]["route"] = destination

    running.apply(changed(without))

    proven = running.prove(OVERLAY)

    assert proven.status == 1
    assert proven.verdicts["redirect"] == "FAIL"


def test_a_mesh_that_leaves_operations_out_fails_the_proof(running: ProofMesh) -> None:
    """Manifests with operations over Envoys without: each of these checks says FAIL."""

    def without(config: Any) -> None:
        for routes in config.routes:
            for host in routes["virtualHosts"]:
                for route in host["routes"]:
                    for field in ("requestHeadersToAdd", "requestHeadersToRemove", "responseHeadersToRemove"):
                        route.pop(field, None)
                    route.pop("typedPerFilterConfig", None)

    running.apply(overlay("base"))
    with translated_wrongly(without):
        running.apply(overlay(OVERLAY))

        found = running.prove(OVERLAY).verdicts

    failed = {name for name, verdict in found.items() if verdict == "FAIL"}
    assert failed >= {
        "request set x-came-by",
        "request add x-seen-by",
        "request remove x-secret",
        "response remove referrer-policy",
        "cors origin",
    }
    assert found["redirect status"] == found["response set cache-control"] == "PASS"
