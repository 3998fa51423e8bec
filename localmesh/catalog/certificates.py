"""Certificates: why Envoy would not take them, and what their keys are for."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from localmesh.problems.fields import listed

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, KeyUsage

_LEAST_RSA_BITS = 2048
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@lru_cache(maxsize=4096)
def pair_fault(certificate: bytes, private_key: bytes) -> str:
    """Why a certificate and its private key cannot be used; empty if they can.

    Envoy rejects a secret for each of these reasons (source/common/tls/context_impl.cc).
    """
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        public = _read(certificate)[0].public_key()
    except ValueError:
        return "its certificate is not a certificate in PEM"
    try:
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError):
        return "its private key is not a key in PEM without a password"
    if key.public_key() != public:
        return "its private key belongs to another certificate"
    if isinstance(public, rsa.RSAPublicKey):
        short = public.key_size < _LEAST_RSA_BITS
        return f"its key has {public.key_size} bits, and {_LEAST_RSA_BITS} are required" if short else ""
    if isinstance(public, ec.EllipticCurvePublicKey):
        is_known = public.curve.name in _CURVES
        return "" if is_known else f"its curve {public.curve.name} is not {listed(_CURVES.values(), 'or')}"
    return "its key is neither RSA nor of an elliptic curve"


@lru_cache(maxsize=4096)
def authority_fault(certificates: bytes) -> str:
    """Why the certificates of a CA cannot be used; empty if they can."""
    try:
        _read(certificates)
    except ValueError:
        return "its CA is not a certificate in PEM"
    return ""


def key_usage(*, signs_certificates: bool) -> KeyUsage:
    """What the key of a certificate is for: that of a CA, or that of a server or client."""
    from cryptography.x509 import KeyUsage

    return KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(pem: bytes) -> list[Certificate]:
    """The certificates, without warnings about what is deprecated in them. Raises ValueError."""
    from cryptography import x509

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.load_pem_x509_certificates(pem)
