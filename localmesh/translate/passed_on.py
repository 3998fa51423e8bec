"""Services that a proxy does not see, and to which it passes requests on because it allows unknown hosts.

In Istio such a request goes to the address that the caller has looked up: to the Service, in plain text and
without routes of the mesh, and the node's network chooses a pod. Here neither DNS knows the name nor has the
Service an address, so each of its ports has a cluster of its own, which balances load among the pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Pod, Proxy, Service, ServicePort
from localmesh.translate.cache import PartCache
from localmesh.translate.clusters import passthrough_pool
from localmesh.translate.config import ProxyConfig
from localmesh.translate.endpoints import of_pod, ready_pods
from localmesh.translate.formats import ADS, ALLOW_ANY, passed_on_cluster, virtual_host_name
from localmesh.translate.keys import Source
from localmesh.translate.traffic_policy import PoolDefaults

Json = dict[str, Any]


class PassedOnServices(NamedTuple):
    """The clusters and endpoints of the Services that a proxy does not see."""

    source: Source
    services: tuple[Service, ...]
    pods_by_host: Mapping[str, tuple[Pod, ...]]
    pool_defaults: PoolDefaults

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> PassedOnServices:
        """The Services, and the pods behind them."""
        return cls(
            source=Source.of(catalog, proxy),
            services=catalog.sidecar_scope(proxy).passed_on,
            pods_by_host=catalog.endpoints_by_host,
            pool_defaults=PoolDefaults.of(catalog.mesh_config),
        )

    @property
    def key(self) -> Source:
        """One result for all proxies that see the mesh in the same way."""
        return self.source

    def build(self, parts: PartCache) -> ProxyConfig:
        """A cluster and a load assignment for each port that may have HTTP."""
        built = parts.build_each(
            _PassedOn(service, ready_pods(service, self.pods_by_host), self.pool_defaults)
            for service in self.services
        )
        return ProxyConfig(
            clusters=tuple(chain.from_iterable(clusters for clusters, _ in built)),
            endpoints=tuple(chain.from_iterable(assignments for _, assignments in built)),
        )


class _PassedOn(NamedTuple):
    service: Service
    ready: tuple[Pod, ...]
    pool_defaults: PoolDefaults

    def build(self) -> tuple[tuple[Json, ...], tuple[Json, ...]]:
        """The clusters and the load assignments of the Service."""
        ports = passed_on_ports(self.service)
        return tuple(map(self._cluster, ports)), tuple(map(self._assignment, ports))

    def _cluster(self, port: ServicePort) -> Json:
        name = passed_on_cluster(self.service.host, port.number)
        return {
            "name": name,
            "type": "EDS",
            "edsClusterConfig": {"edsConfig": ADS, "serviceName": name},
            "lbPolicy": "LEAST_REQUEST",
            **passthrough_pool(self.pool_defaults),
        }

    def _assignment(self, port: ServicePort) -> Json:
        endpoints = list(self._endpoints(port))
        name = passed_on_cluster(self.service.host, port.number)
        return {"clusterName": name, **({"endpoints": [{"lbEndpoints": endpoints}]} if endpoints else {})}

    def _endpoints(self, port: ServicePort) -> Iterator[Json]:
        for pod in self.ready:
            address = pod.address_of(port.name, port.target)
            if address is not None:
                yield of_pod(pod, address, secure=False)


def passed_on_ports(service: Service) -> list[ServicePort]:
    """The ports of a Service that requests are passed on to."""
    return [port for port in service.ports if port.protocol.may_be_http]


def passing_host(service: Service, port: int, domains: list[str]) -> Json:
    """The virtual host for a Service that the proxy does not see."""
    action = {"cluster": passed_on_cluster(service.host, port), "timeout": "0s", "maxGrpcTimeout": "0s"}
    return {
        "name": f"{OF_PASSED_ON}{virtual_host_name(service.host, port)}",
        "domains": domains,
        "routes": [{"name": ALLOW_ANY, "match": {"prefix": "/"}, "route": action}],
        "includeRequestAttemptCount": True,
    }


OF_PASSED_ON = f"{ALLOW_ANY}|"
"""How the names of these virtual hosts, and of route configurations without others, begin."""
