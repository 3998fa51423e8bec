"""Retried writes on the real application."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from loadgen.http1 import Target
from loadgen.measurement.measure import LoadPlan
from loadgen.meshstate import MeshApi
from loadgen.meshstate.pods import metric_sum
from loadgen.proofs.common.copies import FEEDBACK
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener
from tests.live import overlay
from tests.proof_mesh import ProofMesh, edited
from tests.scenarios.groups import SHARES

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group(SHARES)]


def test_retried_feedback_is_stored_once(mesh: ProofMesh) -> None:
    """1,000 writes, each retried although it was stored, as if its response had been lost."""

    def repeat_what_succeeded(body: dict[str, Any]) -> None:
        feedback = next(route for route in body["spec"]["http"] if route["name"] == "feedback")
        feedback["retries"] = {"attempts": 1, "retryOn": "201"}

    mesh.apply(edited(overlay("retry"), "VirtualService", "ingress", repeat_what_succeeded))

    with MeshApi(mesh.api, "sentimesh") as api:
        context = ProofContext(api, Target.from_url(api.gateway()), listener("retry"))
        before = writes(api)
        measurement = context.send(LoadPlan((FEEDBACK,), 1_000, 8, timeout_seconds=15))
        written = writes(api) - before

    assert measurement.statuses == {201: 1_000}
    assert written == Counter(stored=1_000, duplicate=1_000)


def writes(api: MeshApi) -> Counter[str]:
    """The numbers of writes that feedback has stored so far, and that it recognized as repeated."""
    metric = "sentimesh_feedback_requests_total"
    return Counter(
        {
            outcome: int(metric_sum(api, "feedback", None, metric, outcome=outcome))
            for outcome in ("stored", "duplicate")
        }
    )
