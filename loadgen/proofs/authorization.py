"""Authorization: policies name who may call whom; everyone else is denied.

The proof sends every pair of a caller and a service that the scenario is about, allowed and denied ones. The
denied callers are real: the gateway, over routes that are open on purpose; the impostor, which is webapp's
program with another ServiceAccount and makes the same call; and a caller without an identity, which is the
API's proxy to a pod.

What must be denied is fixed here and not read from the policies: a policy that admits more is wrong, and the
proof FAILs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from loadgen.http1 import Request
from loadgen.measurement.sentiment import PATH, SENTENCES, sentiment_requests
from loadgen.meshstate import NotConfigured, Resources
from loadgen.meshstate.pods import METRICS_PORT
from loadgen.meshstate.resources import Object
from loadgen.proofs.common.access import (
    DENIED,
    Access,
    AccessCase,
    DirectCase,
    access_checks,
    check_routes,
    direct_checks,
    send_cases,
    waited,
)
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Check

REMEDY = remedy("authorization")
JSON = (("content-type", "application/json"),)
SENTENCE = sentiment_requests()[0].body
FEEDBACK = json.dumps({"sentence": SENTENCES[0], "polarity": 0.6, "correct": True}).encode()
SERVICES = ("frontend", "webapp", "logic", "feedback")

ACCESS_CASES = (
    AccessCase("gateway to frontend: GET /", "frontend", Request("GET", "/"), "200 of frontend"),
    AccessCase("gateway to frontend: assets", "frontend", Request("GET", "/favicon.ico"), "200 of frontend"),
    AccessCase("gateway to frontend: /about", "frontend", Request("GET", "/about"), "200 of frontend"),
    AccessCase("gateway to frontend: POST /", "frontend", Request("POST", "/"), DENIED),
    AccessCase(
        "gateway to frontend v2", "frontend", Request("GET", "/", (("user-group", "internal"),)), DENIED
    ),
    AccessCase(
        "gateway to feedback: POST",
        "feedback",
        Request("POST", "/feedback", JSON, FEEDBACK),
        "201 of feedback",
    ),
    AccessCase("gateway to feedback: GET", "feedback", Request("GET", "/feedback"), DENIED),
    AccessCase("gateway to webapp: GET", "webapp", Request("GET", PATH), DENIED),
    AccessCase("webapp to logic", "webapp", Request("POST", PATH, JSON, SENTENCE), "200 of webapp, logic"),
    AccessCase(
        "impostor to logic",
        "impostor",
        Request("POST", "/impostor/sentiment", JSON, SENTENCE),
        "502 of webapp: logic answered 403",
    ),
    AccessCase("gateway to logic", "logic", Request("POST", "/analyse/sentiment", JSON, SENTENCE), DENIED),
)
DIRECT_CASES = (
    *(DirectCase(f"no identity to {service}", (service,), "/about", DENIED) for service in SERVICES),
    # Everyone may read metrics.
    DirectCase("no identity to metrics", SERVICES, "/metrics", "200", METRICS_PORT),
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """The policies, and when they last changed."""

    policies: tuple[Object, ...]
    changed: float | None = field(default=None, compare=False)


def read(resources: Resources) -> Expectation:
    """The policies, if there are any, and the routes lead to the services."""
    if not resources.authorization_policies:
        raise NotConfigured(f"no AuthorizationPolicy in namespace {resources.namespace}; {REMEDY}")
    check_routes(resources, ACCESS_CASES, remedy=REMEDY)
    return Expectation(resources.authorization_policies, resources.policies_changed)


def facts(expectation: Expectation) -> dict[str, str]:
    """The names of the policies."""
    names = sorted(str(policy["metadata"]["name"]) for policy in expectation.policies)
    return {"configured": f"AuthorizationPolicies {', '.join(names)}"}


def measure(context: ProofContext, expectation: Expectation) -> Access:
    """Send every pair."""
    return send_cases(context, ACCESS_CASES, direct=DIRECT_CASES, policies_changed=expectation.changed)


def judge(_: Expectation, access: Access) -> list[Check]:
    """One check for each pair."""
    return [*access_checks(ACCESS_CASES, access.measurement), *direct_checks(DIRECT_CASES, access)]


PROOF = Proof(
    scenario="authorization",
    proves="callers that a policy names are admitted, all others are denied",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=lambda _, access: waited(access),
)
