"""The certificate authority and its certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from localmesh.catalog.trust import Trust
from localmesh.xds.certificate_authority import CertificateAuthority

LOGIC = Trust().identity("sentimesh", "logic")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def _parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_a_certificate_has_the_identity_and_is_signed_by_the_root() -> None:
    """The SPIFFE identity is its only name, and both sides of a connection can use it."""
    authority = CertificateAuthority()

    leaf = _parsed(authority.certificate(LOGIC).chain)

    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [LOGIC]
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    leaf.verify_directly_issued_by(_parsed(authority.root))


def test_a_certificate_is_not_valid_for_the_root_of_another_mesh() -> None:
    """Each authority has its own key, although the names are equal."""
    leaf = _parsed(CertificateAuthority().certificate(LOGIC).chain)

    with pytest.raises(InvalidSignature):
        leaf.verify_directly_issued_by(_parsed(CertificateAuthority().root))


def test_a_certificate_is_the_same_until_it_is_rotated() -> None:
    """The pods of a ServiceAccount share one; a rotation creates a new one with a new key."""
    authority = CertificateAuthority()
    before = authority.certificate(LOGIC)

    assert authority.certificate(LOGIC) is before
    authority.rotate()
    assert authority.certificate(LOGIC).private_key != before.private_key
    assert _parsed(before.chain).issuer == _parsed(authority.root).subject


def test_renewal_is_due_at_half_of_the_lifetime() -> None:
    """The oldest certificate decides; without any there is nothing to renew."""
    clock = Clock()
    authority = CertificateAuthority(timedelta(hours=2), clock)
    assert authority.renewal_due is None

    authority.certificate(LOGIC)
    begun = clock.now
    clock.now += timedelta(minutes=30)
    authority.certificate(Trust().identity("sentimesh", "webapp"))

    assert authority.renewal_due == begun + timedelta(hours=1)
