"""Endpoints: the ready pods behind every cluster."""

from __future__ import annotations

from typing import Any

from localmesh.catalog import Catalog, Pod, Proxy, ServicePort, Subset
from localmesh.translate.clusters import endpoint_address
from localmesh.translate.names import outbound_cluster
from localmesh.translate.tls import ENDPOINT_MARK
from localmesh.translate.upstream_tls import takes_mutual_tls

Json = dict[str, Any]


def endpoints(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """The load assignment of every outbound cluster; empty where no pod is ready."""
    out: list[Json] = []
    for service in catalog.services_for(proxy.namespace):
        pods = sorted((pod for pod in catalog.pods_of(service) if pod.ready), key=lambda pod: pod.name)
        rule = catalog.rule_for(service.host, proxy.namespace)
        for port in service.ports:
            for subset in (None, *(rule.subsets if rule else ())):
                found = [
                    _endpoint(pod, port, secure=takes_mutual_tls(catalog, pod, port, rule, subset))
                    for pod in pods
                    if _is_in(subset, pod)
                ]
                name = outbound_cluster(service.host, port.number, subset.name if subset else "")
                out.append(_assignment(name, [endpoint for endpoint in found if endpoint is not None]))
    return out


def _is_in(subset: Subset | None, pod: Pod) -> bool:
    return subset is None or all(pod.labels.get(key) == value for key, value in subset.labels.items())


def _assignment(cluster: str, endpoints: list[Json]) -> Json:
    out: Json = {"clusterName": cluster}
    if endpoints:
        out["endpoints"] = [{"locality": {}, "lbEndpoints": endpoints, "loadBalancingWeight": len(endpoints)}]
    return out


def _endpoint(pod: Pod, port: ServicePort, *, secure: bool) -> Json | None:
    address = pod.address(port.target)
    if address is None:
        return None
    metadata: Json = {"istio": {"workload": f"{pod.workload};{pod.namespace}"}}
    return {
        "endpoint": endpoint_address(address),
        "healthStatus": "HEALTHY",
        "metadata": {"filterMetadata": {**metadata, **(ENDPOINT_MARK if secure else {})}},
        "loadBalancingWeight": 1,
    }
