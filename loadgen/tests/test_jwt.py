"""The proof of tokens: the issuer that feedback trusts, and the tokens made for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from loadgen.meshstate import NotConfigured, Resources, UnsupportedConfig
from loadgen.proofs.common.access import DENIED
from loadgen.proofs.jwt import READ, REJECTED, WRITTEN, cases_for, read
from loadgen.tests.stand_in_mesh import BASE, manifests, named, resources
from loadgen.tokens import ISSUER, public_keys

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def configured(change: Change = lambda *_: None) -> Resources:
    """The overlay's policies; `change` gets the spec of the RequestAuthentication and of the policy."""
    objects = manifests(*BASE, "istio/overlays/jwt")
    authentication = named(objects, "RequestAuthentication", "feedback")
    authorization = named(objects, "AuthorizationPolicy", "feedback")
    change(authentication["spec"], authorization["spec"])
    return resources(objects)


def payload_of(token: str) -> dict[str, Any]:
    """The claims of a token."""
    content = token.split(".")[1]
    payload = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    assert isinstance(payload, dict)
    return payload


def readers(configuration: Resources) -> dict[str, str]:
    """The token of each passage that reads, by what it is; without those that are none."""
    out = {}
    for case in cases_for(read(configuration)):
        bearer = dict(case.request.headers).get("authorization", "")
        if case.request.method == "GET" and "." in bearer:
            out[case.name.removeprefix("read, ")] = bearer.removeprefix("Bearer ")
    return out


class TestConfiguration:
    def test_the_overlay_is_read_as_its_page_says(self):
        """One issuer, and the claim that moderators have."""
        expectation = read(configured())

        assert (expectation.issuer, expectation.audience) == (ISSUER, None)
        assert (expectation.claim, expectation.value) == ("group", "moderator")

    def test_edited_issuer_audience_and_claim_are_what_tokens_say(self):
        """The configuration is what gets proven."""

        def other(authentication: dict[str, Any], authorization: dict[str, Any]) -> None:
            authentication["jwtRules"][0] |= {"issuer": "https://other.example", "audiences": ["readers"]}
            authorization["rules"][1]["when"][0] = {"key": "request.auth.claims[role]", "values": ["editor"]}

        payload = payload_of(readers(configured(other))["role editor"])

        assert (payload["iss"], payload["aud"], payload["role"]) == (
            "https://other.example",
            "readers",
            "editor",
        )

    def test_without_an_issuer_nothing_is_configured(self):
        """As on the base."""
        with pytest.raises(NotConfigured, match="RequestAuthentication"):
            read(replace(configured(), request_authentications=()))

    def test_without_the_claim_nothing_is_configured(self):
        """Neither without the policy nor with one that lets everybody read."""

        def everybody(_: dict[str, Any], authorization: dict[str, Any]) -> None:
            del authorization["rules"][1]["when"]

        for configuration in (replace(configured(), authorization_policies=()), configured(everybody)):
            with pytest.raises(NotConfigured, match="AuthorizationPolicy"):
                read(configuration)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda one, _: one["jwtRules"].append(one["jwtRules"][0]), "2 issuers"),
            (lambda one, _: one["jwtRules"][0].update(fromParams=["token"]), "fromParams"),
            (lambda one, _: one["jwtRules"][0].update(jwks='{"keys": []}'), "cannot be made here"),
            (lambda one, _: one["jwtRules"][0].update(jwks="no keys"), "cannot be made here"),
            (lambda _, two: two["rules"][1]["when"][0].update(values=["*"]), "not evaluated"),
            (lambda _, two: two["rules"][1]["when"][0].update(key="request.auth.audiences"), "not evaluated"),
        ],
    )
    def test_what_tokens_cannot_be_made_for_is_not_supported(self, change: Change, reason: str):
        """INCONCLUSIVE, with what is in the way."""
        with pytest.raises(UnsupportedConfig, match=reason):
            read(configured(change))

    def test_keys_of_another_issuer_are_not_supported(self):
        """Their private key is not here."""
        other = json.dumps(public_keys(ec.generate_private_key(ec.SECP256R1())))

        with pytest.raises(UnsupportedConfig, match="not the demonstration's"):
            read(configured(lambda one, _: one["jwtRules"][0].update(jwks=other)))


class TestTokens:
    def test_each_bad_token_differs_from_the_right_one_in_one_thing(self):
        """So that nothing else can be why it is refused."""
        tokens = readers(configured())
        right = payload_of(tokens["group moderator"])
        differences = {
            name: {
                claim
                for claim in right | payload_of(token)
                if right.get(claim) != payload_of(token).get(claim)
            }
            - ({"iat"} if name != "expired" else set())
            for name, token in tokens.items()
        }

        assert differences == {
            "group moderator": set(),
            "moderator among several": {"group"},
            "another group": {"group"},
            "no group": {"group"},
            "signed by another key": set(),
            "not signed": set(),
            "another issuer": {"iss"},
            "expired": {"iat", "exp"},
        }

    def test_every_outcome_is_expected_of_something(self):
        """Read, written, refused for what a token says and for what it is."""
        assert {case.expected for case in cases_for(read(configured()))} == {
            DENIED,
            REJECTED,
            READ,
            WRITTEN,
        }
