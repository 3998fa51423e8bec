"""Really sends the request of an explanation through the running mesh (`localmesh explain --follow`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localmesh.cli.client import Client
    from localmesh.explain import Explanation


def followed(client: Client, explanation: Explanation) -> dict[str, Any]:
    """What happened, compared with the explanation. Raises NoMeshError, RefusedError."""
    from localmesh.explain import HopKind
    from localmesh.problems.fields import listed
    from localmesh.route_tests.live.comparing import cannot_be_sent, outcome_text, seen_text
    from localmesh.route_tests.live.meshes import RunningMesh
    from localmesh.route_tests.live.sending import send

    explained = dict.fromkeys(map(outcome_text, explanation.outcomes))
    report: dict[str, Any] = {
        "notSent": cannot_be_sent(explanation) or _without_token(explanation),
        "happened": "",
        "status": None,
        "headers": {},
        "seconds": 0.0,
        "agrees": False,
        "explained": listed(explained, "or"),
    }
    if report["notSent"]:
        return report
    mesh, first = RunningMesh(client.get), explanation.hops[0]
    address = mesh.address(first)
    start = time.monotonic()
    answer = send(explanation.request, address, through_sidecar=first.kind is HopKind.OUTBOUND)
    happened = seen_text(answer, explained, mesh.workload_of)
    return report | {
        "happened": happened,
        "status": answer.status,
        "headers": dict(answer.headers),
        "seconds": round(time.monotonic() - start, 4),
        "agrees": happened in explained,
    }


def _without_token(explanation: Explanation) -> str:
    return "only the issuer can sign a token with these claims" if explanation.request.claims else ""
