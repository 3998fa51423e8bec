"""JSON Web Tokens of the demo issuer, whose private key is in this folder for everyone to use."""

from loadgen.tokens.signing import ISSUER, claims, demo_key, public_keys, signed, unsigned

__all__ = ["ISSUER", "claims", "demo_key", "public_keys", "signed", "unsigned"]
