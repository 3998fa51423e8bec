"""Certificates for hosts, from a CA for tests: for those who have none to try TLS with."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localmesh.catalog.certificates import key_usage
from localmesh.formats.hostnames import is_address

_CLOCK_SKEW = timedelta(minutes=2)
_LONGEST_COMMON_NAME = 64


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both in PEM."""

    certificate: bytes
    private_key: bytes


class HostAuthority:
    """A CA for tests; `days` is how long it and what it issues is valid."""

    def __init__(self, days: int, pair: Pair | None = None) -> None:
        self._until = datetime.now(UTC) + timedelta(days=days)
        if pair is not None:
            self._key = _private_key(pair.private_key)
            self._root = x509.load_pem_x509_certificate(pair.certificate)
            return
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("localmesh CA for tests")
        self._root = (
            self._builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pair(self) -> Pair:
        """The certificate and the key of the CA."""
        return _pair(self._root, self._key)

    def issue(self, hosts: Sequence[str]) -> Pair:
        """A certificate for DNS names, wildcards and addresses, with which one can also be a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            self._builder(_name(hosts[0]), self._root.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(list(map(_alternative_name, hosts))), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _pair(certificate, key)

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - _CLOCK_SKEW)
            .not_valid_after(self._until)
            # OpenSSL's strict verification requires both, and Python's default is strict since 3.13
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )


def _private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of a CA that this module has made. Raises ValueError for any other."""
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of an elliptic curve")
    return key


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_COMMON_NAME])])


def _alternative_name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(host)) if is_address(host) else x509.DNSName(host)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
