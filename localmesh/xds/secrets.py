"""Certificates as Envoy secrets."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from localmesh.translate.tls import CERTIFICATE, ROOT
from localmesh.xds.certificate_authority import Certificate, CertificateAuthority

Json = dict[str, Any]


def secrets(authority: CertificateAuthority, identity: str) -> tuple[Json, ...]:
    """The secrets of a proxy with this identity: its own certificate, and the root to verify others with.

    They are the same object until the certificates are rotated.
    """
    return _secrets(authority.certificate(identity), authority.root)


@lru_cache(maxsize=1024)
def _secrets(own: Certificate, root: str) -> tuple[Json, ...]:
    return (
        {
            "name": CERTIFICATE,
            "tlsCertificate": {
                "certificateChain": {"inlineString": own.chain},
                "privateKey": {"inlineString": own.private_key},
            },
        },
        {"name": ROOT, "validationContext": {"trustedCa": {"inlineString": root}}},
    )
