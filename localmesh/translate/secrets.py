"""Credentials as Envoy's secrets: those that a proxy's listeners and clusters name, if they exist."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy
from localmesh.catalog.credentials import Credential
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.keys import ProxyKey

Json = dict[str, Any]


class Secrets(NamedTuple):
    """The secrets of a proxy; a credential that does not exist is left out, as in Istio."""

    key: ProxyKey
    credentials: tuple[Credential, ...]

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> Secrets:
        """The credentials that Gateways and DestinationRules name for the proxy."""
        return cls(ProxyKey.of(proxy), catalog.credentials_of(proxy))

    def build(self, _parts: PartCache) -> ProxyConfig:
        """A secret for each credential."""
        return ProxyConfig(secrets=tuple(map(_secret, self.credentials)))


def _secret(credential: Credential) -> Json:
    if credential.paths:
        return _of_files(credential.name, *credential.paths)
    if credential.authority:
        revoked = {"crl": _bytes(credential.revoked)} if credential.revoked else {}
        context = {"trustedCa": _bytes(credential.authority), **revoked}
        return {"name": credential.name, "validationContext": context}
    staple = {"ocspStaple": _bytes(credential.staple)} if credential.staple else {}
    return {
        "name": credential.name,
        "tlsCertificate": {
            "certificateChain": _bytes(credential.certificate),
            "privateKey": _bytes(credential.private_key),
            **staple,
        },
    }


def _of_files(name: str, first: str, private_key: str = "") -> Json:
    if not private_key:
        return {"name": name, "validationContext": {"trustedCa": {"filename": first}}}
    pair = {"certificateChain": {"filename": first}, "privateKey": {"filename": private_key}}
    return {"name": name, "tlsCertificate": pair}


def _bytes(content: bytes) -> Json:
    return {"inlineBytes": base64.b64encode(content).decode()}
