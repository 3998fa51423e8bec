"""TLS that a gateway terminates: what its listeners present to clients and require of them.

istiod: pilot/pkg/networking/core/listener.go, BuildListenerTLSContext, and pilot/pkg/security/model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.catalog import Server
from localmesh.catalog.credentials import authority_name, certificate_names, has_credentials
from localmesh.translate.formats import ADS, CREDENTIALS
from localmesh.translate.tls import CERTIFICATE, CONTEXTS, ROOT, TLS

Json = dict[str, Any]
Settings = Mapping[str, Any]

_CIPHERS = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    }
)
_VERSION = {"TLSV1_0": "TLSv1_0", "TLSV1_1": "TLSv1_1", "TLSV1_2": "TLSv1_2", "TLSV1_3": "TLSv1_3"}
_ISTIO_MUTUAL = "ISTIO_MUTUAL"
_REQUIRING = frozenset({"MUTUAL", _ISTIO_MUTUAL})
_VERIFYING = _REQUIRING | {"OPTIONAL_MUTUAL"}


def server_socket(server: Server) -> Json:
    """The transport socket of a server that terminates TLS."""
    settings = server.tls or {}
    mode = server.tls_mode
    protocols = ["h2", "http/1.1"]
    if mode == _ISTIO_MUTUAL and not server.is_https:
        protocols = ["istio-peer-exchange", *protocols]
    common: Json = {"alpnProtocols": protocols, **_secrets(settings, mode)}
    if mode != _ISTIO_MUTUAL and (parameters := _parameters(settings)):
        common["tlsParams"] = parameters
    return {
        "name": TLS,
        "typedConfig": {
            "@type": f"{CONTEXTS}.DownstreamTlsContext",
            "commonTlsContext": common,
            "requireClientCertificate": mode in _REQUIRING,
        },
    }


class _Source(NamedTuple):
    """Where certificates come from, and the CA that clients are verified with."""

    certificates: Sequence[str]
    authority: str
    config: Json


def _secrets(settings: Settings, mode: str) -> Json:
    source = _source(settings, mode)
    secrets: Json = {
        "tlsCertificateSdsSecretConfigs": [
            {"name": name, "sdsConfig": source.config} for name in source.certificates
        ]
    }
    if mode not in _VERIFYING:
        return secrets
    return {
        **secrets,
        "combinedValidationContext": {
            "defaultValidationContext": _requirements(settings),
            "validationContextSdsSecretConfig": {"name": source.authority, "sdsConfig": source.config},
        },
    }


def _source(settings: Settings, mode: str) -> _Source:
    if mode == _ISTIO_MUTUAL:
        return _Source([CERTIFICATE], ROOT, ADS)
    return _Source(certificate_names(settings), authority_name(settings), CREDENTIALS)


def _requirements(settings: Settings) -> Json:
    """What a client's certificate must have; digests count only beside a credential, as in Istio."""
    digests = ("verifyCertificateSpki", "verifyCertificateHash") if has_credentials(settings) else ()
    untrusted = {"trustChainVerification": "ACCEPT_UNTRUSTED"} if settings.get("insecureSkipVerify") else {}
    return {
        **_alternative_names(settings),
        **{name: settings[name] for name in digests if settings.get(name)},
        **untrusted,
    }


def _alternative_names(settings: Settings) -> Json:
    names = settings.get("subjectAltNames")
    return {"matchSubjectAltNames": [{"exact": name} for name in names]} if names else {}


def _parameters(settings: Settings) -> Json:
    """The versions and ciphers; ciphers that Envoy does not know are left out, as in Istio."""
    versions = {
        "tlsMinimumProtocolVersion": _VERSION.get(settings.get("minProtocolVersion", "")),
        "tlsMaximumProtocolVersion": _VERSION.get(settings.get("maxProtocolVersion", "")),
    }
    ciphers = list(dict.fromkeys(filter(is_known_cipher, settings.get("cipherSuites") or ())))
    parameters: Json = {name: version for name, version in versions.items() if version}
    return {**parameters, **({"cipherSuites": ciphers} if ciphers else {})}


def is_known_cipher(suite: str) -> bool:
    """Whether Istio passes a cipher suite on: a known name, or an operator such as ``-ALL``."""
    return suite in _CIPHERS or suite in ("", "ALL") or not suite[0].isalnum()
