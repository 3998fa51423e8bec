"""Tokens of the demo issuer: signatures that others can verify, and the command that prints them."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from loadgen.tests.commands import run
from loadgen.tests.stand_in_mesh import REPOSITORY, manifests, named
from loadgen.tokens import ISSUER, claims, demo_key, public_keys, signed, unsigned
from loadgen.tokens.signing import KEY_FILE


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str, keys: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """The claims of a token that a key set vouches for; raises InvalidSignature."""
    header, payload, signature = token.split(".")
    known = {key["kid"]: key for key in keys["keys"]}
    key = known[json.loads(decoded(header))["kid"]]
    x, y, r, s = (
        int.from_bytes(part, "big")
        for part in (decoded(key["x"]), decoded(key["y"]), decoded(signature)[:32], decoded(signature)[32:])
    )
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(encode_dss_signature(r, s), f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    payload_claims = json.loads(decoded(payload))
    assert isinstance(payload_claims, dict)
    return payload_claims


def test_a_signed_token_is_verified_by_its_key_set():
    """The verified claims are those that were signed."""
    payload = claims(group="moderator")

    assert verified(signed(payload, demo_key()), public_keys(demo_key())) == payload


def test_a_token_of_another_key_is_rejected():
    """A different key with the same `kid` does not pass."""
    token = signed(claims(), ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(InvalidSignature):
        verified(token, public_keys(demo_key()))


def test_an_unsigned_token_says_so():
    """`alg` is none and the signature is empty."""
    header, _, signature = unsigned(claims()).split(".")

    assert json.loads(decoded(header))["alg"] == "none"
    assert signature == ""


def test_a_token_can_have_expired():
    """It was issued before it expired."""
    payload = claims(lifetime_seconds=-3600)

    assert payload["iat"] < payload["exp"] <= time.time() - 3599


def test_the_overlay_trusts_the_key_of_the_repository():
    """A token of `loadgen token` is accepted there."""
    authentication = named(manifests("istio/overlays/jwt"), "RequestAuthentication", "feedback")
    (rule,) = authentication["spec"]["jwtRules"]

    assert json.loads(rule["jwks"]) == public_keys(demo_key())
    assert rule["issuer"] == ISSUER


def test_the_key_is_labelled_as_public():
    """So that it is not mistaken for a leaked secret, or trusted."""
    label = KEY_FILE.read_text().partition("-----BEGIN")[0]

    assert "public on purpose" in label
    assert "Never trust it" in label
    assert KEY_FILE.is_relative_to(REPOSITORY)


class TestCommand:
    def test_a_token_is_all_that_is_printed(self):
        """Usable inside another command."""
        outcome = run("token", "--group", "moderator")

        token_claims = verified(outcome.out.strip(), public_keys(demo_key()))
        assert (outcome.status, outcome.err) == (0, "")
        assert token_claims["group"] == "moderator"
        assert token_claims["exp"] - token_claims["iat"] == 3600

    def test_several_groups_are_a_list(self):
        """As issuers usually send them."""
        outcome = run("token", "--group", "a", "--group", "b", "--subject", "joe", "--expires-in", "5m")

        token_claims = verified(outcome.out.strip(), public_keys(demo_key()))
        assert (token_claims["group"], token_claims["sub"]) == (["a", "b"], "joe")
        assert token_claims["exp"] - token_claims["iat"] == 300

    def test_a_token_can_be_made_to_be_refused(self):
        """Expired, from another issuer, without a group."""
        outcome = run("token", "--expired", "--issuer", "https://other.example")

        token_claims = verified(outcome.out.strip(), public_keys(demo_key()))
        assert token_claims["exp"] < time.time() - 3000
        assert token_claims["iss"] == "https://other.example"
        assert "group" not in token_claims

    def test_an_invalid_duration_is_refused(self):
        """One line, exit status 2."""
        outcome = run("token", "--expires-in", "soon")

        assert outcome.status == 2
        assert '"soon" is not a duration' in outcome.err
