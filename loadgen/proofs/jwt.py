"""JWT: a token of the trusted issuer with the right claim lets its bearer read; no other token does.

The trusted issuer and the required claim are read from the configuration. The tokens are made here, with the
key of the demonstration: the right one, and others that differ from it in one point each. An invalid token
is rejected with 401 whatever is requested; a valid one without the claim, and none at all, with 403.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadgen.http1 import Request
from loadgen.measurement.sentiment import SENTENCES
from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.meshstate.resources import Object
from loadgen.meshstate.security import applies_to
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
from loadgen.tokens import claims, demo_key, public_keys, signed, unsigned

SERVICE = "feedback"
PATH = "/feedback"
REMEDY = remedy("jwt")
FEEDBACK = json.dumps({"sentence": SENTENCES[0], "polarity": 0.6, "correct": True}).encode()
JSON = (("content-type", "application/json"),)
LONG_AGO_SECONDS = -3600
"""Longer ago than Envoy tolerates: it allows clocks to differ by a minute."""
REJECTED = "401"
READ = "200 of feedback"
WRITTEN = "201 of feedback"
DIRECT_CASES = (DirectCase("read past the gateway, no token", (SERVICE,), PATH, DENIED),)
_CLAIM = re.compile(r"request\.auth\.claims\[([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class Expectation:
    """The trusted issuer and audience, and the claim that a reader needs.

    `policies` are the objects that say so, which must not change meanwhile.
    """

    issuer: str
    audience: str | None
    claim: str
    value: str
    policies: tuple[Object, ...] = ()
    changed: float | None = field(default=None, compare=False)

    def claims(self, **more: Any) -> dict[str, Any]:
        """The claims of a valid token, and more."""
        audience = {} if self.audience is None else {"aud": self.audience}
        return claims(**{"issuer": self.issuer, **audience, **more})


def read(resources: Resources) -> Expectation:
    """Whom feedback trusts, and which claim it requires of readers."""
    rule = _jwt_rule(resources)
    audiences = rule.get("audiences") or [None]
    claim, value = _claim(resources)
    expectation = Expectation(
        str(rule["issuer"]),
        audiences[0],
        claim,
        value,
        (*resources.request_authentications, *resources.authorization_policies),
        resources.policies_changed,
    )
    check_routes(resources, cases_for(expectation), remedy=REMEDY)
    return expectation


def facts(expectation: Expectation) -> dict[str, str]:
    """The issuer and the claim."""
    return {
        "configured": f"tokens of {expectation.issuer}; "
        f"to read, {expectation.claim} must be {expectation.value}"
    }


@dataclass(frozen=True, slots=True)
class Tried:
    """The cases with their tokens, and the answers."""

    cases: tuple[AccessCase, ...]
    access: Access


def measure(context: ProofContext, expectation: Expectation) -> Tried:
    """Send every kind of token."""
    cases = cases_for(expectation)
    access = send_cases(context, cases, direct=DIRECT_CASES, policies_changed=expectation.changed)
    return Tried(cases, access)


def judge(_: Expectation, tried: Tried) -> list[Check]:
    """One check for each kind of token."""
    return [
        *access_checks(tried.cases, tried.access.measurement),
        *direct_checks(DIRECT_CASES, tried.access),
    ]


def _jwt_rule(resources: Resources) -> Mapping[str, Any]:
    rules: list[Mapping[str, Any]] = [
        rule
        for authentication in resources.request_authentications
        if applies_to(authentication, SERVICE)
        for rule in authentication["spec"].get("jwtRules") or ()
    ]
    if not rules:
        raise NotConfigured(f"no RequestAuthentication names an issuer that {SERVICE} trusts; {REMEDY}")
    if len(rules) > 1:
        raise UnsupportedConfig(f"{SERVICE} trusts {len(rules)} issuers: one is expected")
    places = {"fromHeaders", "fromParams", "fromCookies"} & set(rules[0])
    if places:
        raise UnsupportedConfig(
            f"tokens are read from {', '.join(sorted(places))}, which is not supported here"
        )
    if not _trusts_demo_key(str(rules[0].get("jwks", ""))):
        raise UnsupportedConfig(
            f"the keys of {rules[0]['issuer']} are not the demonstration's: its tokens cannot be made here"
        )
    return rules[0]


def _trusts_demo_key(jwks: str) -> bool:
    (own,) = public_keys(demo_key())["keys"]
    try:
        keys = json.loads(jwks)["keys"]
    except (ValueError, KeyError, TypeError):
        return False
    return any((key.get("x"), key.get("y")) == (own["x"], own["y"]) for key in keys)


def _claim(resources: Resources) -> tuple[str, str]:
    """The claim that the rule for GET requires, and the first value that it accepts."""
    conditions: list[Mapping[str, Any]] = [
        condition
        for policy in resources.authorization_policies
        if applies_to(policy, SERVICE) and policy["spec"].get("action", "ALLOW") == "ALLOW"
        for rule in policy["spec"].get("rules") or ()
        if any("GET" in (to.get("operation") or {}).get("methods", ()) for to in rule.get("to") or ())
        for condition in rule.get("when") or ()
    ]
    if not conditions:
        raise NotConfigured(f"no AuthorizationPolicy requires a claim to read {SERVICE}; {REMEDY}")
    key, values = str(conditions[0]["key"]), conditions[0].get("values") or ()
    name = _CLAIM.fullmatch(key)
    if len(conditions) > 1 or name is None or not values or "*" in values[0]:
        raise UnsupportedConfig(f"the conditions to read {SERVICE} are not evaluated here: {key}")
    return name[1], str(values[0])


def cases_for(expectation: Expectation) -> tuple[AccessCase, ...]:
    """Requests with every kind of token, and the expected outcome of each."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key, right = demo_key(), {expectation.claim: expectation.value}
    stranger = ec.generate_private_key(ec.SECP256R1())
    good = expectation.claims(**right)
    expired = signed(expectation.claims(**right, lifetime_seconds=LONG_AGO_SECONDS), key)
    other_issuer = signed(expectation.claims(**right, issuer=f"{expectation.issuer}.elsewhere"), key)
    several = signed(expectation.claims(**{expectation.claim: ["other", expectation.value]}), key)
    other_value = signed(expectation.claims(**{expectation.claim: f"not-{expectation.value}"}), key)
    return (
        _reading("no token", None, DENIED),
        _reading(f"{expectation.claim} {expectation.value}", signed(good, key), READ),
        _reading(f"{expectation.value} among several", several, READ),
        _reading(f"another {expectation.claim}", other_value, DENIED),
        _reading(f"no {expectation.claim}", signed(expectation.claims(), key), DENIED),
        _reading("not a token", "nonsense", REJECTED),
        _reading("signed by another key", signed(good, stranger), REJECTED),
        _reading("not signed", unsigned(good), REJECTED),
        _reading("another issuer", other_issuer, REJECTED),
        _reading("expired", expired, REJECTED),
        _writing("no token", None, WRITTEN),
        _writing("expired", expired, REJECTED),
    )


def _reading(what: str, token: str | None, expected: str) -> AccessCase:
    return AccessCase(f"read, {what}", SERVICE, Request("GET", PATH, _bearer(token)), expected)


def _writing(what: str, token: str | None, expected: str) -> AccessCase:
    request = Request("POST", PATH, (*JSON, *_bearer(token)), FEEDBACK)
    return AccessCase(f"write, {what}", SERVICE, request, expected)


def _bearer(token: str | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else (("authorization", f"Bearer {token}"),)


PROOF = Proof(
    scenario="jwt",
    proves="feedback is read only with a valid token that has the right claim, and written without",
    read=read,
    facts=facts,
    measure=measure,
    judge=judge,
    findings=lambda _, tried: waited(tried.access),
)
