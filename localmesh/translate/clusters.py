"""Clusters: what a proxy can send to, named and limited as Istio does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from localmesh.catalog import (
    Address,
    Catalog,
    DestinationRule,
    Inbound,
    Protocol,
    Proxy,
    ProxyKind,
    Service,
    ServicePort,
    Subset,
)
from localmesh.translate.addresses import endpoint_address, looked_up
from localmesh.translate.cache import TranslationCache
from localmesh.translate.connection_pools import connection_pool, speaks_only_http2
from localmesh.translate.discovery import discovery, is_told
from localmesh.translate.load_balancing import load_balancer
from localmesh.translate.names import BLACK_HOLE, PASSTHROUGH, inbound_cluster, outbound_cluster
from localmesh.translate.outlier_detection import outlier_detection
from localmesh.translate.upstream_tls import cluster_tls, identities, takes_automatic_tls

Json = dict[str, Any]


class _Upstream(NamedTuple):
    """All that decides the clusters of one Service, for the proxies of one kind and namespace."""

    service: Service
    rule: DestinationRule | None
    is_told: bool
    takes_automatic_tls: bool
    identities: tuple[str, ...]
    for_sidecar: bool


def outbound_clusters(catalog: Catalog, proxy: Proxy, memory: TranslationCache) -> list[Json]:
    """A cluster for every port and subset of every Service that the proxy's namespace sees."""
    upstreams = (
        _Upstream(
            service=service,
            rule=catalog.rule_for(service.host, proxy.namespace),
            is_told=is_told(catalog, service),
            takes_automatic_tls=takes_automatic_tls(catalog, service),
            identities=identities(catalog, service),
            for_sidecar=proxy.kind is ProxyKind.SIDECAR,
        )
        for service in catalog.sidecar_scope(proxy).services
    )
    found = memory.each("clusters of a Service", upstreams, lambda upstream: tuple(_of_service(upstream)))
    return [cluster for clusters in found for cluster in clusters]


def _of_service(upstream: _Upstream) -> Iterator[Json]:
    for port in upstream.service.ports:
        if port.protocol.value != "UDP":
            yield from _of_port(upstream, port)


def _of_port(upstream: _Upstream, port: ServicePort) -> Iterator[Json]:
    service, rule = upstream.service, upstream.rule
    # a gateway knows from its server what it speaks; only a sidecar takes over what its caller speaks
    sniffed = upstream.for_sidecar and port.protocol is Protocol.SNIFFED
    for subset in (None, *(rule.subsets if rule else ())):
        policy = rule.policy_for(port.number, subset) if rule else {}
        cluster = _outbound(service, port, rule, subset, sniffed=sniffed)
        name = outbound_cluster_of(service, port, subset)
        tls = cluster_tls(
            service,
            port,
            subset,
            policy.get("tls"),
            automatically=upstream.takes_automatic_tls,
            identities=upstream.identities,
            http2=speaks_only_http2(cluster),
        )
        yield {**cluster, **discovery(service, port, subset, name, told=upstream.is_told), **tls}


def _outbound(
    service: Service,
    port: ServicePort,
    rule: DestinationRule | None,
    subset: Subset | None,
    *,
    sniffed: bool,
) -> Json:
    policy = rule.policy_for(port.number, subset) if rule else {}
    return {
        "name": outbound_cluster_of(service, port, subset),
        **connection_pool(policy.get("connectionPool"), http2=port.protocol.is_http2, sniffed=sniffed),
        **load_balancer(policy.get("loadBalancer")),
        **outlier_detection(policy.get("outlierDetection")),
        "metadata": {"filterMetadata": {"istio": _istio_metadata(service, rule, subset)}},
    }


def outbound_cluster_of(service: Service, port: ServicePort, subset: Subset | None) -> str:
    """The name of the cluster of a Service's port and subset."""
    return outbound_cluster(service.host, port.number, subset.name if subset else "")


def _istio_metadata(service: Service, rule: DestinationRule | None, subset: Subset | None) -> Json:
    out: Json = {"services": [{"name": service.name, "namespace": service.namespace, "host": service.host}]}
    if service.is_external and subset is None:
        out["external"] = True
    if rule is not None:
        out["config"] = (
            f"/apis/networking.istio.io/v1/namespaces/{rule.namespace}/destination-rule/{rule.name}"
        )
    if subset is not None:
        out["subset"] = subset.name
    return out


def inbound_clusters(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """A cluster for every container port of a sidecar's own pod that a Service sends to.

    A DestinationRule for that Service limits this side too (its connection pool only).
    """
    out = []
    for inbound in proxy.inbound:
        found = inbound_service(catalog, proxy, inbound)
        if found is None:
            continue
        service, port = found
        rule = catalog.rule_for(service.host, proxy.namespace)
        policy = rule.policy_for(port.number) if rule else {}
        pool = connection_pool(
            policy.get("connectionPool"),
            http2=port.protocol.is_http2,
            sniffed=port.protocol is Protocol.SNIFFED,
        )
        name = inbound_cluster(inbound.container_port)
        out.append(
            {
                "name": name,
                "type": "STATIC",
                "loadAssignment": _assignment(name, inbound.application),
                **pool,
                "metadata": {"filterMetadata": {"istio": _istio_metadata(service, rule, None)}},
            }
        )
    return out


def inbound_service(catalog: Catalog, proxy: Proxy, inbound: Inbound) -> tuple[Service, ServicePort] | None:
    """The Service and port, first by host, that send to a container port of the proxy's pod."""
    for pod in catalog.pods:
        if (pod.namespace, pod.name) != (proxy.namespace, proxy.name):
            continue
        for service in catalog.services_of(pod.namespace, pod.labels):
            for port in service.ports:
                if pod.container_port(port.target) == inbound.container_port:
                    return service, port
    return None


@cache
def fixed_clusters() -> tuple[Json, ...]:
    """The clusters of calls to hosts that the mesh does not know: on to them, or nowhere.

    Istio passes an unknown host on to the address that the caller had looked up. Behind an explicit proxy
    port there is no such address, so here the proxy looks the host up itself: to the caller it is the same.
    """
    pool = {"http": {"idleTimeout": "300s"}}
    return (
        {"name": BLACK_HOLE, "type": "STATIC", "connectTimeout": "10s"},
        {
            "name": PASSTHROUGH,
            **looked_up(),
            **connection_pool(pool, http2=False, sniffed=True),
        },
    )


def _assignment(name: str, address: Address) -> Json:
    return {"clusterName": name, "endpoints": [{"lbEndpoints": [{"endpoint": endpoint_address(address)}]}]}
