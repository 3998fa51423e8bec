"""TLS of the mesh: what a proxy shows, whom it believes, and by what each side tells mTLS from plain text.

The shapes are istiod's (pilot/pkg/networking/core/cluster_tls.go and pilot/pkg/security/authn); only the
stream that brings the certificates is another: Istio's agent serves them to its own Envoy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localmesh.catalog import MutualTls
from localmesh.catalog.security import SPIFFE, TRUST_DOMAIN

Json = dict[str, Any]

CERTIFICATE = "default"
"""The name under which a proxy asks for its own certificate."""
ROOT = "ROOTCA"
"""The name under which it asks for the certificate to check others by."""

_ADS: Json = {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}
_TLS = "envoy.transport_sockets.tls"
_CONTEXTS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_RAW_BUFFER: Json = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    },
}
_VERSIONS: Json = {"tlsMinimumProtocolVersion": "TLSv1_2", "tlsMaximumProtocolVersion": "TLSv1_3"}
_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
# What sidecars say in ALPN, of all versions and protocols: any of these means mTLS of the mesh.
_MESH_PROTOCOLS = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")


def upstream_socket(*, sni: str, identities: Iterable[str], http2: bool) -> Json:
    """mTLS towards endpoints that must prove one of `identities`; none given: any of the mesh."""
    return {
        "name": _TLS,
        "typedConfig": {
            "@type": f"{_CONTEXTS}.UpstreamTlsContext",
            "commonTlsContext": {
                "tlsParams": _VERSIONS,
                **_secrets([{"exact": identity} for identity in identities]),
                "alpnProtocols": ["istio", "h2"] if http2 else ["istio"],
            },
            "sni": sni,
        },
    }


def automatic(socket: Json) -> list[Json]:
    """mTLS with the endpoints that are marked for it, plain text with all others."""
    return [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transportSocket": socket},
        {"name": "tlsMode-disabled", "match": {}, "transportSocket": _RAW_BUFFER},
    ]


ENDPOINT_MARK: Json = {"envoy.transport_socket_match": {"tlsMode": "istio"}}
"""The metadata of an endpoint that takes mTLS."""


def filter_chains(name: str, filters: list[Json], mode: MutualTls) -> list[Json]:
    """The same filters for each way in which a port in this mode may be called."""
    secure = {"filters": filters, "transportSocket": _downstream_socket(), "name": name}
    plain = {"filterChainMatch": {"transportProtocol": "raw_buffer"}, "filters": filters, "name": name}
    if mode is MutualTls.DISABLE:
        return [plain]
    if mode is MutualTls.STRICT:
        return [{"filterChainMatch": {"transportProtocol": "tls"}, **secure}]
    from_mesh = {"transportProtocol": "tls", "applicationProtocols": list(_MESH_PROTOCOLS)}
    return [{"filterChainMatch": from_mesh, **secure}, plain]


def tls_inspector() -> Json:
    """The listener filter that tells TLS from plain text."""
    return {
        "name": "envoy.filters.listener.tls_inspector",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            "initialReadBufferSize": 512,
        },
    }


def _downstream_socket() -> Json:
    return {
        "name": _TLS,
        "typedConfig": {
            "@type": f"{_CONTEXTS}.DownstreamTlsContext",
            "commonTlsContext": {
                "tlsParams": {**_VERSIONS, "cipherSuites": list(_CIPHERS)},
                **_secrets([{"prefix": f"{SPIFFE}{TRUST_DOMAIN}/"}]),
                # not "istio": that would stand in the way of settling HTTP/2
                "alpnProtocols": ["h2", "http/1.1"],
            },
            "requireClientCertificate": True,
        },
    }


def _secrets(names: list[Json]) -> Json:
    return {
        "tlsCertificateSdsSecretConfigs": [{"name": CERTIFICATE, "sdsConfig": _ADS}],
        "combinedValidationContext": {
            "defaultValidationContext": {"matchSubjectAltNames": names} if names else {},
            "validationContextSdsSecretConfig": {"name": ROOT, "sdsConfig": _ADS},
        },
    }
