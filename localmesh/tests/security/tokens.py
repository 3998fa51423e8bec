"""Signed tokens, and the key to verify them."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = "https://issuer.example.com"


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def jwks() -> str:
    """The public key, in the inline form of a RequestAuthentication."""
    numbers = _key().public_key().public_numbers()
    key = {"kty": "RSA", "kid": "test", "alg": "RS256", "n": _number(numbers.n), "e": _number(numbers.e)}
    return json.dumps({"keys": [key]})


def token(**claims: Any) -> str:
    """A signed token of `ISSUER`, unless the claims have another issuer."""
    head = _part(json.dumps({"alg": "RS256", "kid": "test"}).encode())
    body = _part(json.dumps({"iss": ISSUER, "sub": "joe", **claims}).encode())
    signed = f"{head}.{body}"
    signature = _key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_part(signature)}"


def _number(number: int) -> str:
    return _part(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
