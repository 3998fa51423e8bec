"""Endpoints: the ready pods behind every cluster, or what a ServiceEntry lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localmesh.catalog import Catalog, Pod, Proxy, Resolution, Service, ServicePort, Subset
from localmesh.translate.addresses import endpoint_address
from localmesh.translate.discovery import assignment, is_in, is_told, written_endpoints
from localmesh.translate.names import outbound_cluster
from localmesh.translate.tls import ENDPOINT_MARK
from localmesh.translate.upstream_tls import takes_mutual_tls

Json = dict[str, Any]
_HEALTHY = "HEALTHY"


def endpoints(catalog: Catalog, proxy: Proxy) -> list[Json]:
    """The load assignment of every outbound cluster that is told its endpoints; empty where none is ready."""
    return [
        assignment(outbound_cluster(service.host, port.number, subset.name if subset else ""), found)
        for service in catalog.view_of(proxy).services
        if is_told(catalog, service)
        for port in service.ports
        for subset, found in _by_subset(catalog, proxy, service, port)
    ]


def _by_subset(
    catalog: Catalog, proxy: Proxy, service: Service, port: ServicePort
) -> Iterator[tuple[Subset | None, list[Json]]]:
    pods = sorted((pod for pod in catalog.pods_of(service) if pod.ready), key=lambda pod: pod.name)
    rule = catalog.rule_for(service.host, proxy.namespace)
    for subset in (None, *(rule.subsets if rule else ())):
        if service.resolution is not Resolution.PODS:
            written = written_endpoints(catalog, service, port, subset)
            yield subset, [{**endpoint, "healthStatus": _HEALTHY} for endpoint in written]
            continue
        found = [
            _endpoint(pod, port, secure=takes_mutual_tls(catalog, pod, port, rule, subset))
            for pod in pods
            if is_in(subset, pod.labels)
        ]
        yield subset, [endpoint for endpoint in found if endpoint is not None]


def _endpoint(pod: Pod, port: ServicePort, *, secure: bool) -> Json | None:
    address = pod.address(port.target)
    if address is None:
        return None
    metadata: Json = {"istio": {"workload": f"{pod.workload};{pod.namespace}"}}
    return {
        "endpoint": endpoint_address(address),
        "healthStatus": _HEALTHY,
        "metadata": {"filterMetadata": {**metadata, **(ENDPOINT_MARK if secure else {})}},
        "loadBalancingWeight": 1,
    }
