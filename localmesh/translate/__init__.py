"""Translation: a proxy's configuration from the catalog. Pure: no files, clock, network or processes.

It is a sequence of steps, each in the module that it is imported from. A step takes what it depends on from
the catalog, and contributes a part of the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from localmesh.catalog import Catalog, Proxy, ProxyKind
from localmesh.translate.auto_passthrough import PassedOnClusters
from localmesh.translate.cache import PartCache, Step, TranslationCache
from localmesh.translate.clusters import FallbackClusters, OutboundClusters
from localmesh.translate.config import ProxyConfig, merged
from localmesh.translate.endpoints import OutboundEndpoints
from localmesh.translate.extensions import ExtendedConfig
from localmesh.translate.gateway_listeners import GatewayListeners
from localmesh.translate.gateway_routes import GatewayRoutes
from localmesh.translate.inbound import InboundPorts, intercepts
from localmesh.translate.keys import ProxyKey
from localmesh.translate.listeners import OutboundListener
from localmesh.translate.mesh_settings import MeshWideConfig
from localmesh.translate.outbound_connections import OutboundConnections
from localmesh.translate.passed_on import PassedOnServices
from localmesh.translate.secrets import Secrets
from localmesh.translate.security import SecurityPolicies
from localmesh.translate.virtual_hosts import OutboundRoutes

__all__ = ["STEPS", "ProxyConfig", "TranslationCache", "intercepts", "translate"]


STEPS: Mapping[ProxyKind, tuple[type[Step], ...]] = {
    ProxyKind.SIDECAR: (
        OutboundListener,
        OutboundConnections,
        FallbackClusters,
        InboundPorts,
        OutboundRoutes,
        OutboundClusters,
        OutboundEndpoints,
        PassedOnServices,
        SecurityPolicies,
        Secrets,
    ),
    ProxyKind.GATEWAY: (
        GatewayListeners,
        GatewayRoutes,
        FallbackClusters,
        OutboundClusters,
        OutboundEndpoints,
        PassedOnClusters,
        SecurityPolicies,
        Secrets,
    ),
}
"""The steps of a translation. Their order is the order of listeners, clusters and so on in the result."""


class _Merge(NamedTuple):
    """The last step, which puts together what the others have contributed."""

    key: ProxyKey
    fragments: tuple[ProxyConfig, ...]

    def build(self, _parts: PartCache) -> ProxyConfig:
        return merged(self.fragments)


class _Result(NamedTuple):
    """The whole, which keeps its equal parts when an extension or an EnvoyFilter comes or goes."""

    key: ProxyKey
    config: ProxyConfig

    def build(self, _parts: PartCache) -> ProxyConfig:
        return self.config


def translate(catalog: Catalog, proxy: Proxy, cache: TranslationCache | None = None) -> ProxyConfig:
    """The configuration of one proxy.

    With a cache, everything that is as in an earlier call is the same object again, up to the whole.
    """
    cache = cache or TranslationCache()
    fragments = [cache.build(step.read(catalog, proxy)) for step in STEPS[proxy.kind]]
    config = cache.build(_Merge(ProxyKey.of(proxy), tuple(fragments)))
    mesh_wide = MeshWideConfig.read(catalog, proxy, config)
    config = config if mesh_wide is None else cache.build(mesh_wide)
    extended = ExtendedConfig.read(catalog, proxy, config)
    config = config if extended is None else cache.build(extended)
    if catalog.patches_for(proxy):
        # imports protobuf, which few meshes need here
        from localmesh.translate.envoy_filters import PatchedConfig

        config = cache.build(PatchedConfig.read(catalog, proxy, config))
    return cache.build(_Result(ProxyKey.of(proxy), config))
