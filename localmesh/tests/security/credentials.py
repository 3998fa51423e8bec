"""Secrets for gateways, and certificates that Envoy rejects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from localmesh.cli.host_certificates import Pair


def secret(name: str, data: Mapping[str, bytes]) -> str:
    """A Secret beside Istio's ingress gateway."""
    text = {key: value.decode() for key, value in data.items()}
    return f"""---
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: istio-system}}
stringData: {json.dumps(text)}
"""


def tls_secret(name: str, pair: Pair) -> str:
    """A Secret with the keys of the type kubernetes.io/tls."""
    return secret(name, {"tls.crt": pair.certificate, "tls.key": pair.private_key})


def self_signed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> Pair:
    """A certificate with any key."""
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
