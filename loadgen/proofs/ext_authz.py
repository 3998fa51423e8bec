"""External authorization: a service of one's own decides about requests, before the service receives them.

The proof sends requests of a known user, of an unknown one and of nobody. The service says which headers
arrived: the authorizer's must be there, also where the caller has sent the same header. Two more authorizers
are down on purpose: one whose errors deny, and one whose errors admit.

Who is known is read from the authorizer's Deployment. Denials of the authorizer carry its own words, so an
answer of an AuthorizationPolicy, or of an authorizer that cannot be asked, is not mistaken for one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadgen.http1 import Request
from loadgen.measurement.measurement import Observation
from loadgen.measurement.sentiment import PATH, sentiment_requests
from loadgen.meshstate import NotConfigured, Resources
from loadgen.meshstate.resources import Object
from loadgen.proofs.common.access import Access, AccessCase, access_checks, check_routes, send_cases, waited
from loadgen.proofs.common.proof import Proof, ProofContext, remedy
from loadgen.statistics.judge import Check, exact_check

REMEDY = remedy("ext-authz")
AUTHORIZER = "authorizer"
USER = "x-user"
AUTHORIZED = "x-authorized-as"
DENIED_BY = "x-denied-by"
STRANGER = "mallory"
FORGED = "a header for the service"
MARKED = "a denial's header"


@dataclass(frozen=True, slots=True)
class Expectation:
    """The policies that ask, a user whom the authorizer knows, and when the policies last changed."""

    policies: tuple[Object, ...]
    user: str
    changed: float | None = field(default=None, compare=False)


def read(resources: Resources) -> Expectation:
    """The policies with the action CUSTOM, and the first user of the authorizer."""
    policies = tuple(
        policy
        for policy in resources.authorization_policies
        if (policy.get("spec") or {}).get("action") == "CUSTOM"
    )
    if not policies:
        raise NotConfigured(f"no AuthorizationPolicy asks an external authorizer; {REMEDY}")
    users = [
        variable.get("value", "")
        for deployment in resources.deployments_with({"app": AUTHORIZER})
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for variable in container.get("env", ())
        if variable["name"] == "USERS"
    ]
    if not users:
        raise NotConfigured(f"no Deployment of {AUTHORIZER} names its USERS; {REMEDY}")
    user = str(users[0]).partition(",")[0]
    check_routes(resources, cases(user), remedy=REMEDY)
    return Expectation(policies, user, resources.policies_changed)


def cases(user: str) -> tuple[AccessCase, ...]:
    """Who requests what, and the outcome."""
    sentence = sentiment_requests()[0]

    def analyse(sender: str | None) -> Request:
        headers = () if sender is None else ((USER, sender),)
        return Request("POST", PATH, (*sentence.headers, *headers), sentence.body)

    forging = Request("GET", "/about/webapp", ((USER, user), (AUTHORIZED, STRANGER)))
    return (
        AccessCase("a user", "webapp", analyse(user), "200 of webapp, logic"),
        AccessCase("an unknown user", "webapp", analyse(STRANGER), f"403 {STRANGER} is not a user"),
        AccessCase("nobody", "webapp", analyse(None), "403 who are you?"),
        AccessCase(FORGED, "webapp", forging, "200 of webapp"),
        AccessCase("authorizer down: denied", "frontend", Request("GET", "/about"), "403"),
        AccessCase("authorizer down: admitted", "feedback", Request("GET", "/feedback"), "200 of feedback"),
        AccessCase("another path, not asked", "frontend", Request("GET", "/"), "200 of frontend"),
    )


def facts(expectation: Expectation) -> dict[str, str]:
    """The policies with their authorizers."""
    asked = sorted(
        f"{policy['metadata']['name']} asks {policy['spec'].get('provider', {}).get('name')}"
        for policy in expectation.policies
    )
    return {"configured": f"AuthorizationPolicies: {', '.join(asked)}"}


def measure(context: ProofContext, expectation: Expectation) -> Access:
    """Send all requests."""
    return send_cases(context, cases(expectation.user), policies_changed=expectation.changed)


def judge(expectation: Expectation, access: Access) -> list[Check]:
    """One check for each outcome, one for the header that the service gets, one for a denial's."""
    sent = cases(expectation.user)
    named = {case.name: index for index, case in enumerate(sent)}

    def answers(name: str) -> list[Observation]:
        return access.measurement.where(lambda one: one.number % len(sent) == named[name])

    return [
        *access_checks(sent, access.measurement),
        _all("header for the service", f"{AUTHORIZED}: {expectation.user}", map(_arrived, answers(FORGED))),
        _all(
            "header of a denial",
            f"{DENIED_BY}: {AUTHORIZER}",
            [f"{DENIED_BY}: {one.header(DENIED_BY)}" for one in answers("an unknown user")],
        ),
    ]


def _arrived(one: Observation) -> str:
    """The authorizer's header, as the service says it arrived."""
    if one.status != 200:
        return f"status {one.status}"
    return f"{AUTHORIZED}: {json.loads(one.body)['headers'].get(AUTHORIZED)}"


def _all(name: str, expected: str, observed: Sequence[str] | map[str]) -> Check:
    return exact_check(name, expected, " or ".join(sorted(set(observed))) or None)


PROOF = Proof(
    scenario="ext-authz",
    proves="a service of its own decides who may call webapp, and its errors deny or admit as configured",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=lambda _, access: waited(access),
)
