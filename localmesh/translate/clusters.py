"""Clusters: what a proxy can send to, named and limited as Istio does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
from localmesh.translate.connection_pools import connection_pool, speaks_only_http2
from localmesh.translate.discovery import discovery
from localmesh.translate.load_balancing import load_balancer
from localmesh.translate.names import BLACK_HOLE, PASSTHROUGH, inbound_cluster, outbound_cluster
from localmesh.translate.outlier_detection import outlier_detection
from localmesh.translate.upstream_tls import cluster_tls

Json = dict[str, Any]


def outbound_clusters(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """A cluster for every port and subset of every Service that the proxy's namespace sees."""
    return [
        cluster
        for service in catalog.view_of(proxy).services
        for port in service.ports
        if port.protocol.value != "UDP"
        for cluster in _of_port(catalog, service, port, proxy)
    ]


def _of_port(catalog: Catalog, service: Service, port: ServicePort, proxy: Proxy) -> Iterator[Json]:
    # a gateway knows from its server what it speaks; only a sidecar takes over what its caller speaks
    sniffed = proxy.kind is ProxyKind.SIDECAR and port.protocol is Protocol.SNIFFED
    rule = catalog.rule_for(service.host, proxy.namespace)
    for subset in (None, *(rule.subsets if rule else ())):
        policy = rule.policy_for(port.number, subset) if rule else {}
        cluster = _outbound(service, port, rule, subset, sniffed=sniffed)
        http2 = speaks_only_http2(cluster)
        yield {
            **cluster,
            **discovery(catalog, service, port, subset, outbound_cluster_of(service, port, subset)),
            **cluster_tls(catalog, service, port, subset, policy.get("tls"), http2=http2),
        }


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
        for service in catalog.services:
            if not service.selects(pod.namespace, pod.labels):
                continue
            for port in service.ports:
                if pod.container_port(port.target) == inbound.container_port:
                    return service, port
    return None


def fixed_clusters() -> list[Json]:
    """The clusters of calls to hosts that the mesh does not know: on to them, or nowhere.

    Istio passes an unknown host on to the address that the caller had looked up. Behind an explicit proxy
    port there is no such address, so here the proxy looks the host up itself: to the caller it is the same.
    """
    pool = {"http": {"idleTimeout": "300s"}}
    return [
        {"name": BLACK_HOLE, "type": "STATIC", "connectTimeout": "10s"},
        {
            "name": PASSTHROUGH,
            **looked_up(),
            **connection_pool(pool, http2=False, sniffed=True),
        },
    ]


def _assignment(name: str, address: Address) -> Json:
    return {"clusterName": name, "endpoints": [{"lbEndpoints": [{"endpoint": endpoint_address(address)}]}]}
