"""Certificates as Envoy's secrets."""

from __future__ import annotations

from typing import Any

from localmesh.identity import Authority
from localmesh.translate.tls import CERTIFICATE, ROOT

Json = dict[str, Any]


def secrets(authority: Authority, identity: str) -> list[Json]:
    """What a proxy of this identity is to show, and what it is to check others by."""
    own = authority.certificate(identity)
    return [
        {
            "name": CERTIFICATE,
            "tlsCertificate": {
                "certificateChain": {"inlineString": own.chain},
                "privateKey": {"inlineString": own.private_key},
            },
        },
        {"name": ROOT, "validationContext": {"trustedCa": {"inlineString": authority.root}}},
    ]
