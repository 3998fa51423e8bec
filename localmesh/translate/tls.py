"""TLS of the mesh: how a proxy calls each cluster, and what an inbound port accepts.

Without a traffic policy's `tls` each endpoint decides (auto mTLS): those whose sidecar accepts mTLS are
marked. A DestinationRule's `tls` decides for all endpoints of a cluster. istiod:
pilot/pkg/networking/core/cluster_tls.go, pilot/pkg/xds/endpoints/mtls_checker.go, pilot/pkg/security/authn.
Only the source of the certificates differs: Istio's agent serves them to its Envoy, here they come over ADS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.catalog import (
    DestinationRule,
    MutualTls,
    PeerAuthentications,
    Pod,
    Resolution,
    Service,
    ServicePort,
    Subset,
)
from localmesh.catalog.trust import DEFAULT_TRUST, SPIFFE, Trust
from localmesh.translate.formats import ADS, server_name

Json = dict[str, Any]

CERTIFICATE = "default"
"""The name of the secret with a proxy's own certificate."""
ROOT = "ROOTCA"
"""The name of the secret with the certificate that others are verified with."""
ENDPOINT_MARK: Json = {"envoy.transport_socket_match": {"tlsMode": "istio"}}
"""The metadata of an endpoint that accepts mTLS."""

_ISTIO_MUTUAL = "ISTIO_MUTUAL"
TLS = "envoy.transport_sockets.tls"
"""The name of the transport socket."""
CONTEXTS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_RAW_BUFFER: Json = {
    "name": "envoy.transport_sockets.raw_buffer",
    "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
    },
}
VERSIONS: Json = {"tlsMinimumProtocolVersion": "TLSv1_2", "tlsMaximumProtocolVersion": "TLSv1_3"}
_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
MESH_PROTOCOLS = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
"""What sidecars of any version send in ALPN; each of these means mTLS of the mesh."""


def cluster_tls(
    service: Service,
    port: ServicePort,
    subset: Subset | None,
    settings: Mapping[str, Any] | None,
    *,
    auto_mtls: bool,
    identities: tuple[str, ...],
    http2: bool,
) -> Json:
    """The transport sockets of a cluster for mTLS of the mesh; empty where it has none.

    `settings` are those of the traffic policy; without them each endpoint decides, if `auto_mtls` is on.
    `http2`: the cluster speaks nothing else.
    """
    if settings is None:
        in_mesh = not service.is_external and service.resolution is not Resolution.NONE
        if not in_mesh or not auto_mtls:
            return {}
    elif settings.get("mode") != _ISTIO_MUTUAL:
        return {}  # plain text, or TLS that a DestinationRule describes: see client_tls
    names = (settings or {}).get("subjectAltNames")
    socket = _upstream_socket(
        sni=(settings or {}).get("sni")
        or server_name(service.host, port.number, subset.name if subset else ""),
        identities=identities if names is None else names,
        http2=http2,
    )
    return {"transportSocket": socket} if settings else {"transportSocketMatches": _by_endpoint(socket)}


def accepts_mutual_tls(
    peer_authentications: PeerAuthentications,
    pod: Pod,
    port: ServicePort,
    rule: DestinationRule | None,
    subset: Subset | None,
) -> bool:
    """Whether an endpoint gets the mark: its DestinationRule says so, or its sidecar accepts mTLS."""
    mode = _tls_mode(rule, subset, port.number)
    if mode is not None:
        return mode == _ISTIO_MUTUAL
    number = pod.container_port(port.target)
    if not pod.has_sidecar or number is None:
        return False
    return peer_authentications.mode(pod.namespace, pod.labels, number) is not MutualTls.DISABLE


def filter_chains(
    name: str, filters: list[Json], mode: MutualTls, *, is_http: bool = True, trust: Trust = DEFAULT_TRUST
) -> list[Json]:
    """The filter chains of an inbound port: the same filters for each kind of connection that it accepts.

    Where it is not HTTP, TLS that is not of the mesh is the application's own.
    """
    secure = {"filters": filters, "transportSocket": _downstream_socket(trust), "name": name}
    plain = {"filterChainMatch": {"transportProtocol": "raw_buffer"}, "filters": filters, "name": name}
    if mode is MutualTls.DISABLE:
        return [plain]
    if mode is MutualTls.STRICT:
        return [{"filterChainMatch": {"transportProtocol": "tls"}, **secure}]
    from_mesh = {"transportProtocol": "tls", "applicationProtocols": list(MESH_PROTOCOLS)}
    own = {"filterChainMatch": {"transportProtocol": "tls"}, "filters": filters, "name": name}
    return [{"filterChainMatch": from_mesh, **secure}, *(() if is_http else (own,)), plain]


def tls_inspector() -> Json:
    """The listener filter that distinguishes TLS from plain text."""
    return {
        "name": "envoy.filters.listener.tls_inspector",
        "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            "initialReadBufferSize": 512,
        },
    }


def _tls_mode(rule: DestinationRule | None, subset: Subset | None, port: int) -> str | None:
    """The mode in a DestinationRule; for endpoints a port without `tls` falls back to the whole policy."""
    for policy in (subset.policy if subset else None, rule.policy if rule else None):
        of_port = [
            setting
            for setting in (policy or {}).get("portLevelSettings") or ()
            if (setting.get("port") or {}).get("number") == port
        ]
        for settings in (*of_port, policy or {}):
            if settings.get("tls") is not None:
                return str(settings["tls"].get("mode", "DISABLE"))
    return None


def _upstream_socket(*, sni: str, identities: Iterable[str], http2: bool) -> Json:
    """mTLS with endpoints that must have one of `identities`; if there are none, any of the mesh."""
    return {
        "name": TLS,
        "typedConfig": {
            "@type": f"{CONTEXTS}.UpstreamTlsContext",
            "commonTlsContext": {
                "tlsParams": VERSIONS,
                **_secrets([{"exact": identity} for identity in identities]),
                "alpnProtocols": ["istio", "h2"] if http2 else ["istio"],
            },
            "sni": sni,
        },
    }


def _by_endpoint(socket: Json) -> list[Json]:
    """mTLS with marked endpoints, plain text with all others."""
    return [
        {"name": "tlsMode-istio", "match": {"tlsMode": "istio"}, "transportSocket": socket},
        {"name": "tlsMode-disabled", "match": {}, "transportSocket": _RAW_BUFFER},
    ]


def _downstream_socket(trust: Trust) -> Json:
    return {
        "name": TLS,
        "typedConfig": {
            "@type": f"{CONTEXTS}.DownstreamTlsContext",
            "commonTlsContext": {
                "tlsParams": {**VERSIONS, "cipherSuites": list(_CIPHERS)},
                **_secrets([{"prefix": f"{SPIFFE}{domain}/"} for domain in dict.fromkeys(trust.domains)]),
                # without "istio", which would prevent the choice of HTTP/2
                "alpnProtocols": ["h2", "http/1.1"],
            },
            "requireClientCertificate": True,
        },
    }


def _secrets(names: list[Json]) -> Json:
    return {
        "tlsCertificateSdsSecretConfigs": [{"name": CERTIFICATE, "sdsConfig": ADS}],
        "combinedValidationContext": {
            "defaultValidationContext": {"matchSubjectAltNames": names} if names else {},
            "validationContextSdsSecretConfig": {"name": ROOT, "sdsConfig": ADS},
        },
    }
