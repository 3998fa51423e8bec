"""JSON Web Tokens of the demo issuer, signed with ES256 by PyJWT."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ISSUER = "https://issuer.sentimesh.example"
KEY_ID = "sentimesh-demo"
KEY_FILE = Path(__file__).with_name("demo-key.pem")
_ALGORITHM = "ES256"


def demo_key() -> EllipticCurvePrivateKey:
    """The private key of the demo issuer. It is in the repository and not a secret."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(KEY_FILE.read_bytes(), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - for the type checker
    return key


def public_keys(key: EllipticCurvePrivateKey) -> dict[str, list[dict[str, Any]]]:
    """The public key as a JSON Web Key Set, in the form that a RequestAuthentication takes."""
    from jwt.algorithms import ECAlgorithm

    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"keys": [{**public, "kid": KEY_ID, "alg": _ALGORITHM, "use": "sig"}]}


def claims(*, issuer: str = ISSUER, lifetime_seconds: float = 3600, **more: Any) -> dict[str, Any]:
    """The claims of a token that is issued now; with a negative lifetime, it expired that long ago."""
    now, lifetime = int(time.time()), int(lifetime_seconds)
    issued = now if lifetime > 0 else now + 2 * lifetime
    return {"iss": issuer, "sub": "demo", "iat": issued, "exp": now + lifetime, **more}


def signed(payload: Mapping[str, Any], key: EllipticCurvePrivateKey) -> str:
    """The token with these claims, signed."""
    import jwt  # with cryptography, too slow to import for commands that sign nothing

    return jwt.encode(dict(payload), key, algorithm=_ALGORITHM, headers={"kid": KEY_ID})


def unsigned(payload: Mapping[str, Any]) -> str:
    """The token with these claims and no signature, which every verifier must reject (RFC 8725, 3.1)."""
    import jwt

    return jwt.encode(dict(payload), key="", algorithm="none")
