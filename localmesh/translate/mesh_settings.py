"""Mesh-wide settings that apply to all listeners of a proxy, whatever they are for.

How paths are normalized (istiod: pilot/pkg/networking/core/listener_builder.go), and what mTLS of the mesh
requires of callers (pilot/pkg/security/authn/utils, `BuildInboundTLS`). Few meshes change them, so they are
applied to what is translated, and only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy, ProxyKind
from localmesh.catalog.mesh_config import DEFAULT, Normalization
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.keys import ProxyKey

Json = dict[str, Any]

_MANAGER = "envoy.filters.network.http_connection_manager"
_NORMALIZED: Mapping[Normalization, Json] = {
    Normalization.DEFAULT: {},
    Normalization.BASE: {},
    Normalization.NONE: {"normalizePath": False},
    Normalization.MERGE_SLASHES: {"mergeSlashes": True},
    Normalization.DECODE_AND_MERGE_SLASHES: {
        "mergeSlashes": True,
        "pathWithEscapedSlashesAction": "UNESCAPE_AND_FORWARD",
    },
}
"""What differs from the settings that every connection manager has otherwise."""


class MeshWideConfig(NamedTuple):
    """The configuration of a proxy, and the settings that change its listeners."""

    key: ProxyKey
    config: ProxyConfig
    normalization: Normalization
    mesh_mtls: Mapping[str, Any]
    """`meshMTLS`; only sidecars accept mTLS by it."""

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy, config: ProxyConfig) -> MeshWideConfig | None:
        """The settings for a proxy; None if the mesh has Istio's defaults."""
        settings = catalog.mesh_config
        mtls = settings.mesh_mtls if proxy.kind is ProxyKind.SIDECAR else DEFAULT.mesh_mtls
        if not (_NORMALIZED[settings.path_normalization] or mtls):
            return None
        return cls(ProxyKey.of(proxy), config, settings.path_normalization, mtls)

    def build(self, _parts: PartCache) -> ProxyConfig:
        """The configuration with these settings."""
        return replace(self.config, listeners=tuple(map(self._listener, self.config.listeners)))

    def _listener(self, listener: Json) -> Json:
        return {**listener, "filterChains": [self._chain(chain) for chain in listener["filterChains"]]}

    def _chain(self, chain: Json) -> Json:
        chain = {**chain, "filters": [self._filter(each) for each in chain["filters"]]}
        socket = chain.get("transportSocket")
        if not socket or not self.mesh_mtls:
            return chain
        context = socket["typedConfig"]
        common = context["commonTlsContext"]
        common = {**common, "tlsParams": {**common["tlsParams"], **self._tls_parameters()}}
        typed = {**context, "commonTlsContext": common}
        return {**chain, "transportSocket": {**socket, "typedConfig": typed}}

    def _filter(self, network_filter: Json) -> Json:
        changes = _NORMALIZED[self.normalization]
        if network_filter["name"] != _MANAGER or not changes:
            return network_filter
        return {**network_filter, "typedConfig": {**network_filter["typedConfig"], **changes}}

    def _tls_parameters(self) -> Json:
        """Istio knows versions 1.2, the default, and 1.3."""
        suites = self.mesh_mtls.get("cipherSuites")
        oldest = {"tlsMinimumProtocolVersion": "TLSv1_3"}
        return {
            **(oldest if self.mesh_mtls.get("minProtocolVersion") in ("TLSV1_3", 2) else {}),
            **({"cipherSuites": list(suites)} if suites else {}),
        }
