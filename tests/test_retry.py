"""Retries on the real application: proven where they help, refuted where they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from loadgen.http1 import Target
from loadgen.measurement.measure import LoadPlan
from loadgen.meshstate import MeshApi
from loadgen.meshstate.pods import metric_sum
from loadgen.proofs.common.copies import FEEDBACK
from loadgen.proofs.common.proof import ProofContext
from loadgen.reporting.progress import listener
from localmesh.manifests import Resource
from tests.live import overlay, with_environment
from tests.proof_mesh import ProofMesh, bed, edited, route_actions, translated_wrongly

pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("application")]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProofMesh]:
    with bed(tmp_path_factory.mktemp("retry"), quick("base")) as running:
        yield running


def quick(scenario: str) -> list[Resource]:
    """The scenario, hanging for one second instead of three: still longer than an attempt may take."""
    return with_environment(overlay(scenario), "logic-v2", HANG_SECONDS="1")


def with_attempts(resources: list[Resource], attempts: int) -> list[Resource]:
    def change(body: dict[str, Any]) -> None:
        retries = body["spec"]["http"][0]["retries"]
        retries["attempts"] = attempts
        if not attempts:  # Istio rejects perTryTimeout without attempts
            del retries["perTryTimeout"], retries["retryOn"]

    return edited(resources, "VirtualService", "logic", change)


def without_retries(config: Any) -> None:
    for action in route_actions(config):
        action.pop("retryPolicy", None)


def test_no_attempts_fail_the_proof(mesh: ProofMesh) -> None:
    """`attempts: 0` switches retries off."""
    mesh.apply(with_attempts(quick("retry"), 0))

    assert mesh.prove("retry").status == 1


def test_a_mesh_that_does_not_retry_fails_the_proof(mesh: ProofMesh) -> None:
    """The manifest says retries, the Envoys were told none."""
    with translated_wrongly(without_retries):
        mesh.apply(with_attempts(quick("retry"), 2))
        proven = mesh.prove("retry")

    assert proven.status == 1
    assert proven.verdicts["successes"] == "FAIL"
    assert proven.verdicts["other than predicted"] == "FAIL"


def test_a_mesh_that_retries_after_all_fails_the_naive_proof(mesh: ProofMesh) -> None:
    """The manifest names no conditions, the Envoys were told some."""

    def with_conditions(config: Any) -> None:
        for action in route_actions(config):
            if "retryPolicy" in action:
                action["retryPolicy"]["retryOn"] = "5xx"

    with translated_wrongly(with_conditions):
        mesh.apply(with_attempts(quick("retry-naive"), 2))
        proven = mesh.prove("retry-naive")

    assert proven.status == 1
    assert proven.verdicts["more than 1 attempt"] == "FAIL"
    assert proven.verdicts["other than predicted"] == "FAIL"


def test_feedback_that_is_sent_again_is_stored_once(mesh: ProofMesh) -> None:
    """1,000 writes under a policy that repeats each, though it was stored: as if its answer got lost."""

    def repeat_what_succeeded(body: dict[str, Any]) -> None:
        feedback = next(route for route in body["spec"]["http"] if route["name"] == "feedback")
        feedback["retries"] = {"attempts": 1, "retryOn": "201"}

    mesh.apply(edited(quick("retry"), "VirtualService", "ingress", repeat_what_succeeded))

    with MeshApi(mesh.api, "sentimesh") as api:
        context = ProofContext(api, Target.from_url(api.gateway()), listener("retry"))
        before = writes(api)
        measurement = context.send(LoadPlan((FEEDBACK,), 1_000, 8, timeout_seconds=15))
        found = writes(api) - before

    assert measurement.statuses == {201: 1_000}
    assert found == Counter(stored=1_000, duplicate=1_000)


def writes(api: MeshApi) -> Counter[str]:
    """How many writes feedback has stored so far, and how many it had stored before."""
    metric = "sentimesh_feedback_requests_total"
    outcomes = ("stored", "duplicate")
    return Counter({each: int(metric_sum(api, "feedback", None, metric, outcome=each)) for each in outcomes})
