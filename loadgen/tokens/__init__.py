"""Tokens (JWT) of the demonstration's issuer, whose private key is in this folder for everybody to use."""

from loadgen.tokens.jwt import ISSUER, claims, demo_key, public_keys, signed, unsigned

__all__ = ["ISSUER", "claims", "demo_key", "public_keys", "signed", "unsigned"]
