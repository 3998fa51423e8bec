"""Policies that select no workload."""

from __future__ import annotations

from localmesh.analysis import analyze
from localmesh.catalog import build
from localmesh.manifests import load_text
from localmesh.tests.catalog.test_gateways import deployment

POLICY = """---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews, namespace: elsewhere}
spec: {selector: {matchLabels: {app: reviews}}}
"""


def warnings(*manifests: str) -> list[str]:
    """The messages of SM219."""
    problems = analyze(build(load_text("".join(manifests)).resources))
    return [problem.message for problem in problems if problem.code == "SM219"]


def test_a_policy_in_a_namespace_without_workloads_is_reported() -> None:
    """With the workload of another namespace that was probably meant."""
    (message,) = warnings(deployment("reviews", "app: reviews", annotations="team: shop"), POLICY)

    assert "app=reviews; Deployment edge/reviews has them, and a policy applies to its own" in message


def test_policies_alone_are_not_reported() -> None:
    """Their workloads may be in other manifests."""
    assert warnings(POLICY) == []
