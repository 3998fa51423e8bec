"""Clusters: what a proxy can send to, named and limited as Istio does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localmesh.catalog import Address, Catalog, DestinationRule, Inbound, Proxy, Service, ServicePort, Subset
from localmesh.translate.connection_pools import connection_pool
from localmesh.translate.load_balancing import load_balancer
from localmesh.translate.names import BLACK_HOLE, PASSTHROUGH, inbound_cluster, outbound_cluster
from localmesh.translate.outlier_detection import outlier_detection

Json = dict[str, Any]
ADS: Json = {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}
"""Where a resource's configuration comes from: the stream that the proxy already holds."""


def outbound_clusters(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """A cluster for every port and subset of every Service that the proxy's namespace sees."""
    return [
        cluster
        for service in catalog.services_for(proxy.namespace)
        for port in service.ports
        if port.protocol.value != "UDP"
        for cluster in _of_port(service, port, catalog.rule_for(service.host, proxy.namespace))
    ]


def _of_port(service: Service, port: ServicePort, rule: DestinationRule | None) -> Iterator[Json]:
    yield _outbound(service, port, rule, None)
    for subset in rule.subsets if rule else ():
        yield _outbound(service, port, rule, subset)


def _outbound(
    service: Service, port: ServicePort, rule: DestinationRule | None, subset: Subset | None
) -> Json:
    name = outbound_cluster(service.host, port.number, subset.name if subset else "")
    policy = rule.policy_for(port.number, subset) if rule else {}
    return {
        "name": name,
        "type": "EDS",
        "edsClusterConfig": {"edsConfig": ADS, "serviceName": name},
        **connection_pool(policy.get("connectionPool"), http2=port.protocol.is_http2, sniffed=_sniffed(port)),
        **load_balancer(policy.get("loadBalancer")),
        **outlier_detection(policy.get("outlierDetection")),
        "metadata": {"filterMetadata": {"istio": _istio_metadata(service, rule, subset)}},
    }


def _sniffed(port: ServicePort) -> bool:
    return port.protocol.may_be_http and not port.protocol.is_http


def _istio_metadata(service: Service, rule: DestinationRule | None, subset: Subset | None) -> Json:
    out: Json = {"services": [{"name": service.name, "namespace": service.namespace, "host": service.host}]}
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
            {**policy.get("connectionPool", {})}, http2=port.protocol.is_http2, sniffed=_sniffed(port)
        )
        name = inbound_cluster(inbound.container_port)
        out.append(
            {
                "name": name,
                "type": "STATIC",
                "loadAssignment": _assignment(name, inbound.application),
                **pool,
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
    """The clusters of calls to hosts that the mesh does not know: on to them, or nowhere."""
    limits = connection_pool(None, http2=False, sniffed=True)
    return [
        {"name": BLACK_HOLE, "type": "STATIC", "connectTimeout": "10s"},
        {"name": PASSTHROUGH, "type": "ORIGINAL_DST", "lbPolicy": "CLUSTER_PROVIDED", **limits},
    ]


def _assignment(name: str, address: Address) -> Json:
    return {"clusterName": name, "endpoints": [{"lbEndpoints": [{"endpoint": endpoint_address(address)}]}]}


def endpoint_address(address: Address) -> Json:
    """An endpoint at a socket address."""
    return {"address": socket_address(address)}


def socket_address(address: Address) -> Json:
    """Envoy's form of an address."""
    return {"socketAddress": {"address": address.host, "portValue": address.port}}
