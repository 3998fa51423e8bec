"""One token (JWT) as Envoy reads and verifies it: its claims, or Envoy's words for what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.issuer_keys import UNKNOWN_KEYS

Json = Mapping[str, Any]

BAD_FORMAT = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
UNKNOWN_ISSUER = "Jwt issuer is not configured"
WRONG_AUDIENCE = "Audiences in Jwt are not allowed"
"""Envoy answers this with 403, and everything else with 401."""
_ALGORITHMS = frozenset(f"{family}{bits}" for family in ("ES", "HS", "RS", "PS") for bits in (256, 384, 512))
_IMPLEMENTED = _ALGORITHMS | {"EdDSA"}
_CLOCK_SKEW_SECONDS = 60
_CLAIM_CHECKS = ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss")
_SIGNATURE_ONLY: Any = dict.fromkeys(_CLAIM_CHECKS, False)


class InvalidTokenError(Exception):
    """A token that Envoy refuses; the message is Envoy's, which is the body of its answer."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is well-formed: its header and claims, and the parts that it is written in."""

    header: Json
    claims: Json
    text: str = ""

    @property
    def payload(self) -> str:
        """The claims as they are written in the token."""
        return self.text.split(".")[1]


def parsed(text: str) -> Token:
    """A token as it is written. Raises InvalidTokenError."""
    parts = text.split(".")
    if len([part for part in parts if part]) != 3:
        raise InvalidTokenError(BAD_FORMAT)
    header = _decoded(parts[0], "header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise InvalidTokenError("Jwt header [alg] field is required and must be a string")
    if algorithm not in _IMPLEMENTED:
        raise InvalidTokenError("Jwt header [alg] is not supported")
    claims = _decoded(parts[1], "payload")
    for name in ("iss", "sub", "jti"):
        if not isinstance(claims.get(name, ""), str):
            raise InvalidTokenError(f"Jwt payload [{name}] field is not a string")
    _unescaped(parts[2], "Jwt signature is an invalid Base64url encoded")
    return Token(header, claims, text)


def _decoded(part: str, name: str) -> Json:
    text = _unescaped(part, f"Jwt {name} is an invalid Base64url encoded")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidTokenError(f"Jwt {name} is an invalid JSON")
    return value


def _unescaped(part: str, fault: str) -> bytes:
    """The bytes of a part; Envoy passes over blanks in it."""
    text = "".join(part.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidTokenError(fault) from None


def require_valid_claims(provider: Json, claims: Json) -> None:
    """Times and audience are right, which Envoy looks at before the signature. Raises InvalidTokenError."""
    now = time.time()
    if claims.get("nbf", 0) > now + _CLOCK_SKEW_SECONDS:
        raise InvalidTokenError("Jwt not yet valid")
    if claims.get("exp") and claims["exp"] < now - _CLOCK_SKEW_SECONDS:
        raise InvalidTokenError("Jwt is expired")
    audiences = {_bare(audience) for audience in provider.get("audiences") or ()}
    own = claims.get("aud") or []
    if audiences and not audiences & {_bare(a) for a in (own if isinstance(own, list) else [own])}:
        raise InvalidTokenError(WRONG_AUDIENCE)


def require_signature(provider: Json, token: Token) -> None:
    """The signature is that of one of the provider's keys. Raises InvalidTokenError.

    Keys that would have to be fetched are not known here: then any signature counts as valid.
    """
    import jwt

    written = provider["localJwks"]["inlineString"]
    if written == UNKNOWN_KEYS:
        return
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(written)).keys
    except (ValueError, jwt.PyJWTError):
        keys = []
    own = [key for key in keys if "kid" not in token.header or key.key_id in (None, token.header["kid"])]
    if not own:
        raise InvalidTokenError("Jwks doesn't have key to match kid or alg from Jwt")
    for key in own:
        try:
            jwt.decode(token.text, key.key, algorithms=[token.header["alg"]], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError:
            continue
        return
    raise InvalidTokenError("Jwt verification fails")


def _bare(audience: str) -> str:
    """An audience as Envoy compares it: without its scheme and a slash at the end."""
    return audience.removeprefix("https://").removeprefix("http://").rstrip("/")


def normalized_claims(provider: Json, claims: Json) -> Json:
    """The claims as policies see them: those that list words are lists."""
    split = (provider.get("normalizePayloadInMetadata") or {}).get("spaceDelimitedClaims") or ()
    return {
        name: value.split() if name in split and isinstance(value, str) else value
        for name, value in claims.items()
    }
