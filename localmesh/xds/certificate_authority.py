"""The certificate authority of the mesh, which issues a certificate for every ServiceAccount.

Keys exist only in memory and on the proxies' own streams; a mesh that starts again creates new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from localmesh.catalog.certificates import key_usage
from localmesh.catalog.trust import TRUST_DOMAIN

DEFAULT_LIFETIME = timedelta(hours=24)
"""How long a workload's certificate is valid, as in Istio."""
_ROOT_LIFETIME = timedelta(days=3650)
_CLOCK_SKEW = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its private key, both in PEM."""

    identity: str
    chain: str
    private_key: str
    not_after: datetime


class CertificateAuthority:
    """The certificate authority of one mesh; `lifetime` is that of the certificates that it issues."""

    def __init__(
        self, lifetime: timedelta = DEFAULT_LIFETIME, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.lifetime = lifetime
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._root = self._self_signed()
        self.root = self._root.public_bytes(Encoding.PEM).decode()
        """The root certificate that all proxies trust, in PEM."""
        self._issued: dict[str, Certificate] = {}

    @property
    def renewal_due(self) -> datetime | None:
        """When to rotate: at half of the lifetime of the oldest certificate; None if there are none."""
        if not self._issued:
            return None
        return min(certificate.not_after for certificate in self._issued.values()) - self.lifetime / 2

    def certificate(self, identity: str) -> Certificate:
        """The certificate of a SPIFFE identity: the same until `rotate`."""
        if identity not in self._issued:
            self._issued[identity] = self._issue(identity)
        return self._issued[identity]

    def rotate(self) -> None:
        """Issues new certificates, with new keys, from the next request for each identity on.

        The old ones stay valid until they expire, so proxies can get the new ones in any order.
        """
        self._issued = {}

    def _issue(self, identity: str) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        not_after = self._now() + self.lifetime
        name = x509.UniformResourceIdentifier(identity)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            self._builder(x509.Name([]), key.public_key(), not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            # must be critical in a certificate without a subject (RFC 5280, 4.2.1.6)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return Certificate(
            identity=identity,
            chain=certificate.public_bytes(Encoding.PEM).decode(),
            private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            not_after=not_after,
        )

    def _self_signed(self) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, TRUST_DOMAIN)])
        return (
            self._builder(subject, self._key.public_key(), self._now() + _ROOT_LIFETIME, issuer=subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        not_after: datetime,
        issuer: x509.Name | None = None,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._root.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now() - _CLOCK_SKEW)
            .not_valid_after(not_after)
        )
