"""Certificates as Envoy secrets, and the files that are there."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from localmesh.catalog.credentials import SYSTEM
from localmesh.translate.tls import CERTIFICATE, ROOT
from localmesh.xds.certificate_authority import Certificate, CertificateAuthority

Json = dict[str, Any]

_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS
)


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


def with_existing_files(documents: tuple[Json, ...]) -> tuple[Json, ...]:
    """The secrets without those whose files do not exist, which Envoy would reject.

    The same object if none of them has files.
    """
    if not any(any(_files(document)) for document in documents):
        return documents
    found = (_with_system_file(document) for document in documents)
    return tuple(document for document in found if all(map(os.path.isfile, _files(document))))


def _files(document: Json) -> Iterator[str]:
    for content in (document.get("tlsCertificate"), document.get("validationContext")):
        for source in (content or {}).values():
            if "filename" in source:
                yield source["filename"]


def _with_system_file(document: Json) -> Json:
    """The secret with the file of the CAs that this machine trusts in place of the word for it."""
    if list(_files(document)) != [SYSTEM]:
        return document
    return {**document, "validationContext": {"trustedCa": {"filename": system_file()}}}


def system_file() -> str:
    """The file of the CAs that this machine trusts; empty if there is none."""
    paths = ssl.get_default_verify_paths()
    known = (os.environ.get(paths.openssl_cafile_env), paths.cafile, paths.openssl_cafile, *_SYSTEM_FILES)
    return next((path for path in known if path and Path(path).is_file()), "")
