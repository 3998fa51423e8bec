"""For whom the result of a step is: for one proxy, or for all that see the mesh in the same way."""

from __future__ import annotations

from typing import Any, NamedTuple

from localmesh.catalog import Catalog, DestinationRule, Destinations, Proxy, ProxyKind
from localmesh.catalog.locality import NOWHERE, Locality


class ProxyKey(NamedTuple):
    """One proxy."""

    kind: ProxyKind
    namespace: str
    name: str

    @classmethod
    def of(cls, proxy: Proxy) -> ProxyKey:
        """The key of a proxy."""
        return cls(proxy.kind, proxy.namespace, proxy.name)


class Source(NamedTuple):
    """A proxy as the sender of requests; proxies with an equal one share their outbound configuration.

    `labels` are those of its pod, sorted, for `sourceLabels` and the selectors of Sidecars and
    DestinationRules, and for `failoverPriority`. They are empty where no such condition exists in the mesh,
    so that all pods of a namespace are equal. `retries` is the mesh-wide `defaultHttpRetryPolicy`, sorted.
    """

    kind: ProxyKind
    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    locality: Locality = NOWHERE
    retries: tuple[tuple[str, Any], ...] | None = None

    @classmethod
    def of(cls, catalog: Catalog, proxy: Proxy) -> Source:
        """The source that a proxy is."""
        labels = sorted(proxy.labels.items()) if catalog.depends_on_source_labels else ()
        retries = catalog.mesh_config.default_http_retry_policy
        frozen = None if retries is None else tuple(sorted(retries.items()))
        return cls(proxy.kind, proxy.namespace, tuple(labels), proxy.locality, frozen)

    @property
    def default_retries(self) -> dict[str, Any] | None:
        """The retries of routes that have none of their own; None for Istio's."""
        return None if self.retries is None else dict(self.retries)

    def rule_for(self, destinations: Destinations, host: str) -> DestinationRule | None:
        """The DestinationRule that the proxy applies to a host."""
        return destinations.rule_for(host, self.namespace, dict(self.labels))
