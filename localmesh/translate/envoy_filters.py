"""EnvoyFilters: patches of a proxy's whole configuration, after everything else has been translated.

istiod: pilot/pkg/networking/core/envoyfilter. A patch names objects of Istio's configuration; where that of
localmesh has another shape, the listeners and routes here stand for Istio's, or loading refuses the patch
(`shapes` in localmesh/kinds/envoy_filter.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy, ProxyKind
from localmesh.catalog.envoy_filters import Patch
from localmesh.envoy_messages.documents import merged, merged_any
from localmesh.kinds.envoy_filter import MESSAGES
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import PASSTHROUGH, is_passed_on
from localmesh.translate.keys import ProxyKey
from localmesh.translate.listener_patches import GATEWAY, INBOUND, OUTBOUND, ListenerPatches, patched_slots
from localmesh.translate.route_patches import RoutePatches

Json = dict[str, Any]


class PatchedConfig(NamedTuple):
    """The configuration of a proxy with the patches that apply to it.

    `ports` are a gateway's Service ports by target port, `hosts` those of the Services of a sidecar's pod.
    """

    key: ProxyKey
    config: ProxyConfig
    patches: tuple[Patch, ...]
    is_gateway: bool
    ports: Mapping[int, frozenset[int]]
    hosts: frozenset[str]

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy, config: ProxyConfig) -> PatchedConfig:
        """The patches of the EnvoyFilters that select the proxy's workload."""
        gateway = catalog.gateway(proxy.namespace, proxy.workload)
        ports: dict[int, frozenset[int]] = {}
        for server in gateway.servers if gateway else ():
            ports[server.target_port] = ports.get(server.target_port, frozenset()) | {server.number}
        services = catalog.services_of(proxy.namespace, proxy.labels)
        return cls(
            key=ProxyKey.of(proxy),
            config=config,
            patches=catalog.patches_for(proxy),
            is_gateway=proxy.kind is ProxyKind.GATEWAY,
            ports=ports,
            hosts=frozenset(service.host for service in services),
        )

    def build(self, parts: PartCache) -> ProxyConfig:
        """The patched configuration."""
        contexts = (GATEWAY,) if self.is_gateway else (OUTBOUND, INBOUND)
        clusters = list(self._clusters(contexts, parts))
        kept = {cluster["name"] for cluster in clusters}
        removed = {cluster["name"] for cluster in self.config.clusters} - kept
        listeners = tuple(self._listeners())
        return ProxyConfig(
            listeners=listeners,
            scopes=self.config.scopes,
            routes=tuple(map(self._routes, self.config.routes)),
            further_routes=tuple(map(self._routes, self.config.further_routes)),
            clusters=tuple(clusters),
            endpoints=tuple(each for each in self.config.endpoints if each["clusterName"] not in removed),
            policies=(
                *patched_slots(self.config.policies, self.patches, (contexts[-1],)),
                *self._extensions(),
            ),
            secrets=self.config.secrets,
        )

    def _context_of(self, name: str) -> str:
        """The kind of traffic that a listener, route configuration or cluster is for, by its name."""
        return GATEWAY if self.is_gateway else INBOUND if name.startswith("inbound") else OUTBOUND

    def _listeners(self) -> Iterable[Json]:
        filled = frozenset(
            slot["name"] for slot in self.config.policies if set(slot["typedConfig"]) != {"@type"}
        )
        for listener in self.config.listeners:
            patches = ListenerPatches(self.patches, self._context_of(listener["name"]), filled)
            patched = patches.apply(listener)
            if patched is not None:
                yield self._with_inner_routes(patched)

    def _with_inner_routes(self, listener: Json) -> Json:
        """The listener with patched route configurations, where these are in it."""
        chains = [
            {**chain, "filters": [self._with_routes(each) for each in chain["filters"]]}
            for chain in listener["filterChains"]
        ]
        return {**listener, "filterChains": chains}

    def _with_routes(self, network_filter: Json) -> Json:
        config = network_filter.get("typedConfig") or {}
        if "routeConfig" not in config:
            return network_filter
        return {
            **network_filter,
            "typedConfig": {**config, "routeConfig": self._routes(config["routeConfig"])},
        }

    def _routes(self, routes: Json) -> Json:
        return RoutePatches(self.patches, self._context_of(routes["name"]), self.ports).apply(routes)

    def _clusters(self, contexts: tuple[str, ...], parts: PartCache) -> Iterable[Json]:
        own = [patch for patch in self.patches if patch.applies_to == "CLUSTER"]
        of_context = {
            context: tuple(patch for patch in own if patch.operation != "ADD" and patch.is_for(context))
            for context in contexts
        }
        patched = parts.build_each(
            _PatchedCluster(each["name"], each, of_context[self._context_of(each["name"])], self.hosts)
            for each in self.config.clusters
        )
        yield from (cluster for cluster in patched if cluster is not None)
        for patch in own:
            if patch.operation == "ADD" and patch.value and any(map(patch.is_for, contexts)):
                yield dict(patch.value)

    def _extensions(self) -> Iterable[Json]:
        for patch in self.patches:
            if patch.applies_to == "EXTENSION_CONFIG" and patch.operation == "ADD" and patch.value:
                yield dict(patch.value)


@dataclass(frozen=True)
class _PatchedCluster:
    """A cluster, and the patches for its kind of traffic."""

    name: str
    cluster: Json = field(hash=False)
    patches: tuple[Patch, ...]
    own_hosts: frozenset[str]

    def build(self) -> Json | None:
        """The cluster as the patches leave it; None if one removes it."""
        cluster = self.cluster
        for patch in self.patches:
            if not _cluster_matches(patch, self.name, self.own_hosts):
                continue
            if patch.operation == "REMOVE":
                return None
            if patch.merges:
                cluster = _merged_cluster(cluster, patch)
        return cluster


def _cluster_matches(patch: Patch, name: str, own_hosts: frozenset[str]) -> bool:
    match = patch.match.get("cluster") or {}
    if match.get("name"):
        return bool(match["name"] == name)
    name = PASSTHROUGH if is_passed_on(name) else name  # Istio has the one cluster for all of them
    direction, port, subset, host = (*name.split("|"), "", "", "", "")[:4]
    hosts = own_hosts if direction == "inbound" else {host}
    return (
        (not match.get("subset") or match["subset"] == subset)
        and (not match.get("service") or match["service"] in hosts)
        and (not match.get("portNumber") or str(match["portNumber"]) == port)
    )


def _merged_cluster(cluster: Json, patch: Patch) -> Json:
    """A patch with a transport socket changes nothing else (istiod: `mergeTransportSocketCluster`)."""
    change = (patch.value or {}).get("transportSocket")
    if not change:
        lists = patch.operation == "MERGE_AND_REPLACE_LIST"
        return merged(MESSAGES["CLUSTER"], cluster, patch.value or {}, replace_lists=lists)
    matches = cluster.get("transportSocketMatches", ())
    if matches:
        index = next(
            (i for i, each in enumerate(matches) if _is_named(each["transportSocket"], change)), None
        )
        if index is None:
            return cluster
        own = matches[index]
        patched = {**own, "transportSocket": _merged_socket(own["transportSocket"], change)}
        return {**cluster, "transportSocketMatches": [*matches[:index], patched, *matches[index + 1 :]]}
    socket = cluster.get("transportSocket")
    is_same = socket is not None and _is_named(socket, change)
    return {**cluster, "transportSocket": _merged_socket(socket, change) if is_same else change}


def _is_named(socket: Json, change: Json) -> bool:
    return bool(socket.get("name") == change.get("name"))


def _merged_socket(socket: Any, change: Json) -> Json:
    if not change.get("typedConfig"):
        return dict(socket)
    return {**socket, "typedConfig": merged_any(socket["typedConfig"], change["typedConfig"])}
