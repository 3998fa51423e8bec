"""Endpoints: the ready pods behind every cluster."""

from __future__ import annotations

from typing import Any

from localmesh.catalog import Catalog, Pod, Proxy, Service, ServicePort
from localmesh.translate.clusters import endpoint_address
from localmesh.translate.names import outbound_cluster

Json = dict[str, Any]


def endpoints(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """The load assignment of every outbound cluster; empty where no pod is ready."""
    out: list[Json] = []
    for service in catalog.services_for(proxy.namespace):
        pods = catalog.pods_of(service)
        rule = catalog.rule_for(service.host, proxy.namespace)
        subsets = [("", {}), *((subset.name, subset.labels) for subset in (rule.subsets if rule else ()))]
        for port in service.ports:
            for subset, labels in subsets:
                chosen = [pod for pod in pods if _has(pod, dict(labels))]
                out.append(_assignment(service, port, subset, chosen))
    return out


def _has(pod: Pod, labels: dict[str, str]) -> bool:
    return all(pod.labels.get(key) == value for key, value in labels.items())


def _assignment(service: Service, port: ServicePort, subset: str, pods: list[Pod]) -> Json:
    found = [_endpoint(pod, port) for pod in sorted(pods, key=lambda pod: pod.name) if pod.ready]
    known = [endpoint for endpoint in found if endpoint is not None]
    out: Json = {"clusterName": outbound_cluster(service.host, port.number, subset)}
    if known:
        out["endpoints"] = [{"locality": {}, "lbEndpoints": known, "loadBalancingWeight": len(known)}]
    return out


def _endpoint(pod: Pod, port: ServicePort) -> Json | None:
    address = pod.address(port.target)
    if address is None:
        return None
    return {
        "endpoint": endpoint_address(address),
        "healthStatus": "HEALTHY",
        "metadata": {"filterMetadata": {"istio": {"workload": f"{pod.workload};{pod.namespace}"}}},
        "loadBalancingWeight": 1,
    }
