"""Endpoints: the ready pods behind every cluster, or what a ServiceEntry lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from localmesh.catalog import (
    Catalog,
    DestinationRule,
    PeerAuthentications,
    Pod,
    Proxy,
    Resolution,
    Service,
    ServicePort,
    Subset,
)
from localmesh.translate.addresses import endpoint_address
from localmesh.translate.cache import TranslationCache
from localmesh.translate.discovery import assignment, is_in, is_told, written_endpoints
from localmesh.translate.names import outbound_cluster
from localmesh.translate.tls import ENDPOINT_MARK
from localmesh.translate.upstream_tls import takes_mutual_tls

Json = dict[str, Any]
_HEALTHY = "HEALTHY"


class _Behind(NamedTuple):
    """All that decides the endpoints of one Service, for the proxies of one namespace."""

    service: Service
    rule: DestinationRule | None
    ready: tuple[Pod, ...]
    peer_authentications: PeerAuthentications


def endpoints(catalog: Catalog, proxy: Proxy, memory: TranslationCache) -> list[Json]:
    """The load assignment of every outbound cluster that is told its endpoints; empty where none is ready."""
    told = [service for service in catalog.sidecar_scope(proxy).services if is_told(catalog, service)]
    behind = (_behind(catalog, proxy, service) for service in told if service.resolution is Resolution.PODS)
    of_pods = iter(memory.each("endpoints of a Service", behind, lambda each: tuple(_of_pods(each))))
    return [
        assignment
        for service in told
        for assignment in (
            next(of_pods) if service.resolution is Resolution.PODS else _written(catalog, proxy, service)
        )
    ]


def _behind(catalog: Catalog, proxy: Proxy, service: Service) -> _Behind:
    ready = sorted((pod for pod in catalog.pods_of(service) if pod.ready), key=lambda pod: pod.name)
    rule = catalog.rule_for(service.host, proxy.namespace)
    return _Behind(service, rule, tuple(ready), catalog.peer_authentications)


def _of_pods(behind: _Behind) -> Iterator[Json]:
    service, rule = behind.service, behind.rule
    for port in service.ports:
        for subset in (None, *(rule.subsets if rule else ())):
            found = [
                _endpoint(
                    pod,
                    port,
                    secure=takes_mutual_tls(behind.peer_authentications, pod, port, rule, subset),
                )
                for pod in behind.ready
                if is_in(subset, pod.labels)
            ]
            yield _assignment(service, port, subset, [each for each in found if each is not None])


def _written(catalog: Catalog, proxy: Proxy, service: Service) -> Iterator[Json]:
    rule = catalog.rule_for(service.host, proxy.namespace)
    for port in service.ports:
        for subset in (None, *(rule.subsets if rule else ())):
            written = written_endpoints(catalog, service, port, subset)
            found = [{**endpoint, "healthStatus": _HEALTHY} for endpoint in written]
            yield _assignment(service, port, subset, found)


def _assignment(service: Service, port: ServicePort, subset: Subset | None, found: list[Json]) -> Json:
    return assignment(outbound_cluster(service.host, port.number, subset.name if subset else ""), found)


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
