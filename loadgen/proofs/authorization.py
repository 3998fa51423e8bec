"""Authorization: who may call whom, said by policies; whoever is not named is refused.

Every pair of a caller and a service that the scenario speaks of is tried, allowed ones and forbidden ones.
The forbidden callers are real: the gateway, over routes that were left open on purpose; the impostor,
which is webapp's program with another ServiceAccount and makes the same call as webapp; and a caller without
any identity, for whom the API's way to a pod stands.

What must be refused is the scenario's own statement, not read from the policies: a policy that was widened
is a policy that is wrong, and the proof says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from loadgen.http1 import Request
from loadgen.measurement.sentiment import PATH, SENTENCES, sentiment_requests
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.metrics import METRICS_PORT
from loadgen.meshstate.policies import policies
from loadgen.proofs.common.access import (
    DENIED,
    AccessCase,
    access_checks,
    asked_past_the_gateway,
    check_routes,
    past_the_gateway_check,
    wait_for_connections,
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


def prove(bench: ProofContext) -> Sequence[Check]:
    """See that there are policies, then try every pair."""
    resources, in_force = bench.resources(), policies(bench.api)
    if not in_force.authorization:
        raise NotConfigured(f"no AuthorizationPolicy in namespace {resources.namespace}; {REMEDY}")
    check_routes(resources, ACCESS_CASES, remedy=REMEDY)
    names = sorted(str(policy["metadata"]["name"]) for policy in in_force.authorization)
    bench.facts["in force"] = f"AuthorizationPolicies {', '.join(names)}"
    wait_for_connections(bench, in_force)
    checks = access_checks(bench, ACCESS_CASES)
    checks += [
        past_the_gateway_check(
            f"no identity to {service}", DENIED, asked_past_the_gateway(bench, service, "/about")
        )
        for service in SERVICES
    ]
    checks.append(_metrics(bench))
    if (bench.resources(), policies(bench.api)) != (resources, in_force):
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return checks


def _metrics(bench: ProofContext) -> Check:
    """Whether the port that everybody may read can be read without an identity."""
    answers: dict[str, str] = {}
    for service in SERVICES:
        answers |= asked_past_the_gateway(bench, service, "/metrics", port=METRICS_PORT)
    return past_the_gateway_check("no identity to metrics", "200", answers)


PROOF = Proof(
    scenario="authorization",
    proves="only whom a policy names is let in, everybody else is refused",
    prove=prove,
)
