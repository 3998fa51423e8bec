"""Servers with AUTO_PASSTHROUGH: callers name the cluster that they want, in the name that they ask for.

A filter chain, a cluster and endpoints for every port and subset of every Service of the mesh, named by SNI.
As connections are passed on as they are, they must be mTLS of the mesh, and so must the endpoints.
istiod: pilot/pkg/networking/core/gateway.go, builtAutoPassthroughFilterChains, and cluster.go,
buildOutboundSniDnatClusters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Destinations, Protocol, Proxy, Server, Service
from localmesh.formats.hostnames import is_subset
from localmesh.translate.cache import PartCache
from localmesh.translate.clusters import OutboundClusters
from localmesh.translate.config import ProxyConfig
from localmesh.translate.endpoints import OutboundEndpoints
from localmesh.translate.formats import server_name
from localmesh.translate.keys import ProxyKey
from localmesh.translate.tcp_proxy import limits_and_hashing, tcp_proxy
from localmesh.translate.tls import ENDPOINT_MARK, MESH_PROTOCOLS

Json = dict[str, Any]

_TLS = frozenset({"transportSocket", "transportSocketMatches"})


def auto_passthrough_chains(
    server: Server,
    services: tuple[Service, ...],
    destinations: Destinations,
    namespace: str,
    telemetry: Mapping[str, Any],
) -> Iterator[Json]:
    """A filter chain for each cluster of the Services that the server has as hosts; no policies apply."""
    for service in services:
        if not any(is_subset(service.host, host.name) for host in server.hosts):
            continue
        rule = destinations.rule_for(service.host, namespace)
        for port in service.ports:
            for subset in ("", *(subset.name for subset in (rule.subsets if rule else ()))):
                name = server_name(service.host, port.number, subset)
                settings = {"cluster": name, **limits_and_hashing(rule, subset), **telemetry}
                yield {
                    "filterChainMatch": {"serverNames": [name], "applicationProtocols": list(MESH_PROTOCOLS)},
                    "filters": [tcp_proxy(name, settings)],
                }


def services_passed_to(catalog: Catalog, proxy: Proxy) -> tuple[Service, ...]:
    """The Services that a gateway with AUTO_PASSTHROUGH passes connections to; none of any other proxy."""
    gateway = catalog.gateway(proxy.namespace, proxy.workload)
    if gateway is None or not any(server.finds_clusters for server in gateway.servers):
        return ()
    return tuple(
        service.of_protocols_but(Protocol.UDP)
        for service in catalog.sidecar_scope(proxy).services
        if not service.is_external
    )


class PassedOnClusters(NamedTuple):
    """The clusters by SNI of a gateway with AUTO_PASSTHROUGH, made from the usual ones."""

    key: ProxyKey
    clusters: OutboundClusters
    endpoints: OutboundEndpoints

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> PassedOnClusters:
        """What decides the usual clusters of the Services."""
        services = services_passed_to(catalog, proxy)
        return cls(
            ProxyKey.of(proxy),
            OutboundClusters.read(catalog, proxy)._replace(services=services),
            OutboundEndpoints.read(catalog, proxy)._replace(services=services),
        )

    def build(self, parts: PartCache) -> ProxyConfig:
        """The clusters without TLS, and of their endpoints those that accept mTLS."""
        return ProxyConfig(
            clusters=tuple(map(_passed_on, self.clusters.build(parts).clusters)),
            endpoints=tuple(map(_with_mutual_tls, self.endpoints.build(parts).endpoints)),
        )


def _passed_on(cluster: Json) -> Json:
    passed_on = {key: value for key, value in cluster.items() if key not in _TLS}
    passed_on["name"] = _by_sni(cluster["name"])
    if discovery := cluster.get("edsClusterConfig"):
        passed_on["edsClusterConfig"] = {**discovery, "serviceName": passed_on["name"]}
    if assignment := cluster.get("loadAssignment"):
        passed_on["loadAssignment"] = _with_mutual_tls(assignment)
    return passed_on


def _with_mutual_tls(assignment: Json) -> Json:
    """The endpoints of an assignment that accept mTLS; a locality without any is kept, as in Istio."""
    groups = list(map(_group, assignment.get("endpoints", ())))
    return {"clusterName": _by_sni(assignment["clusterName"]), **({"endpoints": groups} if groups else {})}


def _group(group: Json) -> Json:
    endpoints = [endpoint for endpoint in group["lbEndpoints"] if _is_marked(endpoint)]
    if not endpoints:
        return {"locality": group["locality"]}
    return {**group, "lbEndpoints": endpoints, "loadBalancingWeight": len(endpoints)}


def _is_marked(endpoint: Json) -> bool:
    metadata: Json = endpoint["metadata"]["filterMetadata"]
    return ENDPOINT_MARK.items() <= metadata.items()


def _by_sni(cluster: str) -> str:
    """The name by SNI of a cluster such as ``outbound|80|v1|logic.sentimesh.svc.cluster.local``."""
    _, port, subset, host = cluster.split("|")
    return server_name(host, int(port), subset)
