"""Signing: JSON Web Tokens in the compact form (RFC 7519, RFC 7515), by ES256 (RFC 7518, 3.4)."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ISSUER = "https://issuer.sentimesh.example"
KEY_ID = "sentimesh-demo"
KEY_FILE = Path(__file__).with_name("demo-key.pem")
_COORDINATE_BYTES = 32


def demo_key() -> EllipticCurvePrivateKey:
    """The key of the demonstration's issuer. It is in the repository and no secret."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(KEY_FILE.read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - for the type checker
    return key


def public_keys(key: EllipticCurvePrivateKey) -> dict[str, list[dict[str, str]]]:
    """The public half of a key as a JSON Web Key Set, as a RequestAuthentication takes it."""
    numbers = key.public_key().public_numbers()
    point = {"x": _number(numbers.x), "y": _number(numbers.y)}
    return {
        "keys": [{"kty": "EC", "crv": "P-256", "kid": KEY_ID, "alg": "ES256", "use": "sig", **point}],
    }


def claims(*, issuer: str = ISSUER, lifetime_seconds: float = 3600, **more: Any) -> dict[str, Any]:
    """What a token says: issued now, for so long; with a negative lifetime it expired so long ago."""
    now, lifetime = int(time.time()), int(lifetime_seconds)
    issued = now if lifetime > 0 else now + 2 * lifetime
    return {"iss": issuer, "sub": "demo", "iat": issued, "exp": now + lifetime, **more}


def signed(said: Mapping[str, Any], key: EllipticCurvePrivateKey) -> str:
    """The token with these claims, signed."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    content = _content({"alg": "ES256", "kid": KEY_ID, "typ": "JWT"}, said)
    numbers = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{content}.{_base64(b''.join(each.to_bytes(_COORDINATE_BYTES, 'big') for each in numbers))}"


def unsigned(said: Mapping[str, Any]) -> str:
    """The token with these claims and no signature, which nobody may believe (RFC 8725, 3.1)."""
    return _content({"alg": "none", "typ": "JWT"}, said) + "."


def _content(header: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    return ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (header, said))


def _number(number: int) -> str:
    return _base64(number.to_bytes(_COORDINATE_BYTES, "big"))


def _base64(content: bytes) -> str:
    """Base64 for URLs without padding (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
