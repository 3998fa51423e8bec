"""Tokens: signed so that others can verify them, and minted by one command."""

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
from loadgen.tokens.jwt import KEY_FILE


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str, keys: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """The claims of a token that a key set vouches for; raises InvalidSignature."""
    header, payload, signature = token.split(".")
    known = {key["kid"]: key for key in keys["keys"]}
    key = known[json.loads(decoded(header))["kid"]]
    x, y, r, s = (
        int.from_bytes(each, "big")
        for each in (decoded(key["x"]), decoded(key["y"]), decoded(signature)[:32], decoded(signature)[32:])
    )
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(encode_dss_signature(r, s), f"{header}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    found = json.loads(decoded(payload))
    assert isinstance(found, dict)
    return found


def test_a_signed_token_is_verified_by_its_key_set():
    """And its claims come out as they went in."""
    said = claims(group="moderator")

    assert verified(signed(said, demo_key()), public_keys(demo_key())) == said


def test_another_keys_token_is_not():
    """Though it names the same key."""
    token = signed(claims(), ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(InvalidSignature):
        verified(token, public_keys(demo_key()))


def test_an_unsigned_token_says_so():
    """Its third part is empty."""
    header, _, signature = unsigned(claims()).split(".")

    assert json.loads(decoded(header))["alg"] == "none"
    assert signature == ""


def test_a_token_can_have_expired():
    """It was valid before."""
    said = claims(lifetime_seconds=-3600)

    assert said["iat"] < said["exp"] <= time.time() - 3599


def test_the_overlay_believes_the_key_that_is_in_the_repository():
    """Whoever mints a token with it is believed there."""
    authentication = named(manifests("istio/overlays/jwt"), "RequestAuthentication", "feedback")
    (rule,) = authentication["spec"]["jwtRules"]

    assert json.loads(rule["jwks"]) == public_keys(demo_key())
    assert rule["issuer"] == ISSUER


def test_the_key_is_labelled_as_public():
    """Nobody shall take it for a secret that was lost, or trust it."""
    label = KEY_FILE.read_text().partition("-----BEGIN")[0]

    assert "public on purpose" in label
    assert "Never trust it" in label
    assert KEY_FILE.is_relative_to(REPOSITORY)


class TestCommand:
    def test_a_token_is_all_that_is_printed(self):
        """For use within another command."""
        outcome = run("token", "--group", "moderator")

        found = verified(outcome.out.strip(), public_keys(demo_key()))
        assert (outcome.status, outcome.err) == (0, "")
        assert found["group"] == "moderator"
        assert found["exp"] - found["iat"] == 3600

    def test_several_groups_are_a_list(self):
        """As issuers give them."""
        outcome = run("token", "--group", "a", "--group", "b", "--subject", "joe", "--expires-in", "5m")

        found = verified(outcome.out.strip(), public_keys(demo_key()))
        assert (found["group"], found["sub"]) == (["a", "b"], "joe")
        assert found["exp"] - found["iat"] == 300

    def test_a_token_can_be_made_to_be_refused(self):
        """Expired, of another issuer, without a group."""
        outcome = run("token", "--expired", "--issuer", "https://other.example")

        found = verified(outcome.out.strip(), public_keys(demo_key()))
        assert found["exp"] < time.time() - 3000
        assert found["iss"] == "https://other.example"
        assert "group" not in found

    def test_a_time_that_is_none_is_refused(self):
        """One line, exit status 2."""
        outcome = run("token", "--expires-in", "soon")

        assert outcome.status == 2
        assert '"soon" is not a duration' in outcome.err
