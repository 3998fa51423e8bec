"""JWT: who shows a token that the mesh believes, with the right claim, may read; who does not may not.

Whose tokens are believed, and which claim is asked for, is read from what is in force. The tokens are made
here, with the key of the demonstration: the right one, and others that differ from it in one thing each. A
token that is no good is refused by 401 whatever is asked for; one that is good but does not say enough, and
none at all, by 403.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadgen.http1 import Request
from loadgen.measurement.sentiment import SENTENCES
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.policies import Policies, holds_for, policies
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
from loadgen.tokens import claims, demo_key, public_keys, signed, unsigned

SERVICE = "feedback"
PATH = "/feedback"
REMEDY = remedy("jwt")
FEEDBACK = json.dumps({"sentence": SENTENCES[0], "polarity": 0.6, "correct": True}).encode()
JSON = (("content-type", "application/json"),)
LONG_AGO_SECONDS = -3600
"""Longer ago than Envoy forgives: it allows clocks to differ by a minute."""
BAD = "401"
READ = "200 of feedback"
WRITTEN = "201 of feedback"
_CLAIM = re.compile(r"request\.auth\.claims\[([^\[\]]+)\]")


@dataclass(frozen=True, slots=True)
class Guard:
    """What is in force: whose tokens are believed, for whom, and the claim that a reader needs."""

    issuer: str
    audience: str | None
    claim: str
    value: str

    def said(self, **more: Any) -> dict[str, Any]:
        """The claims of a token that is good, besides the one that is asked for."""
        audience = {} if self.audience is None else {"aud": self.audience}
        return claims(**{"issuer": self.issuer, **audience, **more})


def prove(bench: ProofContext) -> Sequence[Check]:
    """Read whom feedback believes and what it asks for, then try every kind of token."""
    resources, in_force = bench.resources(), policies(bench.api)
    guard = guard_in_force(in_force)
    passages = passages_for(guard)
    check_routes(resources, passages, remedy=REMEDY)
    bench.facts["in force"] = f"tokens of {guard.issuer}; to read, {guard.claim} must be {guard.value}"
    wait_for_connections(bench, in_force)
    checks = access_checks(bench, passages)
    answers = asked_past_the_gateway(bench, SERVICE, PATH)
    checks.append(past_the_gateway_check("read past the gateway, no token", DENIED, answers))
    if (bench.resources(), policies(bench.api)) != (resources, in_force):
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    return checks


def guard_in_force(found: Policies) -> Guard:
    """Whom feedback believes, and which claim it asks readers for."""
    rule = _jwt_rule(found)
    audiences = rule.get("audiences") or [None]
    claim, value = _claim(found)
    return Guard(str(rule["issuer"]), audiences[0], claim, value)


def _jwt_rule(found: Policies) -> Mapping[str, Any]:
    rules: list[Mapping[str, Any]] = [
        rule
        for each in found.request_authentication
        if holds_for(each, SERVICE)
        for rule in each["spec"].get("jwtRules") or ()
    ]
    if not rules:
        raise NotConfigured(f"no RequestAuthentication says whose tokens {SERVICE} believes; {REMEDY}")
    if len(rules) > 1:
        raise UnsupportedConfig(f"{SERVICE} believes {len(rules)} issuers: one is expected")
    places = {"fromHeaders", "fromParams", "fromCookies"} & set(rules[0])
    if places:
        raise UnsupportedConfig(
            f"tokens are looked for in {', '.join(sorted(places))}: that is not done here"
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


def _claim(found: Policies) -> tuple[str, str]:
    """The claim that the rule for GET asks for, and the first value that will do."""
    asked: list[Mapping[str, Any]] = [
        condition
        for policy in found.authorization
        if holds_for(policy, SERVICE) and policy["spec"].get("action", "ALLOW") == "ALLOW"
        for rule in policy["spec"].get("rules") or ()
        if any("GET" in (to.get("operation") or {}).get("methods", ()) for to in rule.get("to") or ())
        for condition in rule.get("when") or ()
    ]
    if not asked:
        raise NotConfigured(f"no AuthorizationPolicy asks for a claim to read {SERVICE}; {REMEDY}")
    key, values = str(asked[0]["key"]), asked[0].get("values") or ()
    name = _CLAIM.fullmatch(key)
    if len(asked) > 1 or name is None or not values or "*" in values[0]:
        raise UnsupportedConfig(f"{SERVICE} may be read on conditions that are not evaluated here: {key}")
    return name[1], str(values[0])


def passages_for(guard: Guard) -> tuple[AccessCase, ...]:
    """Requests with every kind of token, and what must become of each."""
    from cryptography.hazmat.primitives.asymmetric import ec

    key, right = demo_key(), {guard.claim: guard.value}
    stranger = ec.generate_private_key(ec.SECP256R1())
    good = guard.said(**right)
    old = signed(guard.said(**right, lifetime_seconds=LONG_AGO_SECONDS), key)
    elsewhere = signed(guard.said(**right, issuer=f"{guard.issuer}.elsewhere"), key)
    several = signed(guard.said(**{guard.claim: ["other", guard.value]}), key)
    other = signed(guard.said(**{guard.claim: f"not-{guard.value}"}), key)
    return (
        _reading("no token", None, DENIED),
        _reading(f"{guard.claim} {guard.value}", signed(good, key), READ),
        _reading(f"{guard.value} among several", several, READ),
        _reading(f"another {guard.claim}", other, DENIED),
        _reading(f"no {guard.claim}", signed(guard.said(), key), DENIED),
        _reading("not a token", "nonsense", BAD),
        _reading("signed by another key", signed(good, stranger), BAD),
        _reading("not signed", unsigned(good), BAD),
        _reading("another issuer", elsewhere, BAD),
        _reading("expired", old, BAD),
        _writing("no token", None, WRITTEN),
        _writing("expired", old, BAD),
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
    proves="feedback is read with a good token that says the right thing, and written without",
    prove=prove,
)
