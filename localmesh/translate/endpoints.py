"""Endpoints: the ready pods behind every cluster, or what a ServiceEntry lists, and how a cluster gets them.

A cluster gets its endpoints over EDS, through DNS, or one for each requested host. With resolution NONE Istio
sends to the address that the caller has looked up; with an explicit proxy port that address is not known, so
the proxy looks the name up itself (istiod: pilot/pkg/networking/core/cluster_builder.go and
pilot/pkg/xds/endpoints/endpoint_builder.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from localmesh.catalog import (
    Address,
    Catalog,
    DestinationRule,
    Destinations,
    Endpoint,
    PeerAuthentications,
    Pod,
    Protocol,
    Proxy,
    Resolution,
    Service,
    ServicePort,
    Subset,
)
from localmesh.catalog.peers import Peer
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import ADS, dynamic_forward_proxy, endpoint_address, outbound_cluster
from localmesh.translate.keys import Source
from localmesh.translate.locality import Chooser, Located
from localmesh.translate.single_pods import pod_mark
from localmesh.translate.tls import ENDPOINT_MARK, accepts_mutual_tls

Json = dict[str, Any]

_EndpointsOf = Callable[[ServicePort, Subset | None], Iterable[Located]]

_HEALTHY = "HEALTHY"
_DNS_TYPES = {Resolution.DNS: "STRICT_DNS", Resolution.DNS_ROUND_ROBIN: "LOGICAL_DNS"}
_RESOLVER = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def uses_eds(destinations: Destinations, service: Service) -> bool:
    """Whether the proxy gets a Service's endpoints over EDS.

    It also does for a ServiceEntry that leads to Services of the mesh's own manifests: DNS does not know
    their names here.
    """
    if service.resolution in _DNS_TYPES:
        return all(_target(destinations, endpoint) for endpoint in service.endpoints)
    return service.resolution is not Resolution.NONE


def discovery(
    service: Service,
    port: ServicePort,
    subset: Subset | None,
    cluster: str,
    *,
    uses_eds: bool,
    chooser: Chooser,
) -> Json:
    """The part of a cluster that says where its endpoints come from."""
    if service.resolution is Resolution.NONE:
        return dynamic_forward_proxy()
    if uses_eds:
        return {"type": "EDS", "edsClusterConfig": {"edsConfig": ADS, "serviceName": cluster}}
    listed = (endpoint for endpoint in service.endpoints if _is_in(subset, endpoint.labels))
    return {
        "type": _DNS_TYPES[service.resolution],
        "loadAssignment": _assignment(
            cluster,
            [_located(service, endpoint, _own_address(endpoint, port)) for endpoint in listed],
            chooser,
        ),
        "dnsRefreshRate": "60s",
        "dnsJitter": "0.100s",
        "respectDnsTtl": True,
        "dnsLookupFamily": "V4_ONLY",
        "typedDnsResolverConfig": {
            "name": "envoy.network.dns_resolver.cares",
            "typedConfig": {"@type": f"type.googleapis.com/{_RESOLVER}", "udpMaxQueries": 100},
        },
    }


class OutboundEndpoints(NamedTuple):
    """The endpoints of every outbound cluster that gets them over EDS; empty where no pod is ready."""

    source: Source
    services: tuple[Service, ...]
    destinations: Destinations
    pods_by_host: Mapping[str, tuple[Pod, ...]]
    peer_authentications: PeerAuthentications
    mesh_settings: Mapping[str, Any]

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> OutboundEndpoints:
        """The Services in the scope of the proxy, and what decides about the pods behind them."""
        return cls(
            source=Source.of(catalog, proxy),
            services=catalog.sidecar_scope(proxy).services,
            destinations=catalog.destinations,
            pods_by_host=catalog.endpoints_by_host,
            peer_authentications=catalog.peer_authentications,
            mesh_settings=catalog.mesh_config.locality_lb_setting,
        )

    @property
    def key(self) -> Source:
        """One result for all proxies that see the mesh in the same way."""
        return self.source

    def build(self, parts: PartCache) -> ProxyConfig:
        """The load assignments, Service by Service."""
        services = (service for service in self.services if uses_eds(self.destinations, service))
        assignments = parts.build_each(self._of_service(service) for service in services)
        return ProxyConfig(endpoints=tuple(chain.from_iterable(assignments)))

    def _of_service(self, service: Service) -> _PodEndpoints | _ListedEndpoints:
        rule = self.source.rule_for(self.destinations, service.host)
        chooser = Chooser.of(self.source, rule, self.mesh_settings)
        if service.resolution is Resolution.PODS:
            unhealthy = (pod for pod in self.pods_by_host.get(service.host, ()) if pod.is_unhealthy)
            known = (*self._ready_pods(service), *unhealthy)
            return _PodEndpoints(service, rule, known, self.peer_authentications, chooser)
        targets = (_target(self.destinations, endpoint) for endpoint in service.endpoints)
        pods = tuple((target, self._ready_pods(target)) if target else None for target in targets)
        return _ListedEndpoints(service, rule, pods, chooser)

    def _ready_pods(self, service: Service) -> tuple[Pod, ...]:
        return ready_pods(service, self.pods_by_host)


def ready_pods(service: Service, pods_by_host: Mapping[str, tuple[Pod, ...]]) -> tuple[Pod, ...]:
    """The pods behind a Service that get requests, by name."""
    pods = pods_by_host.get(service.host, ())
    ready = (pod for pod in pods if pod.ready or (service.publishes_unready and pod.port_addresses is None))
    return tuple(sorted(ready, key=lambda pod: pod.name))


class _PodEndpoints(NamedTuple):
    """The load assignments of one Service that selects pods."""

    service: Service
    rule: DestinationRule | None
    known: tuple[Pod, ...]
    peer_authentications: PeerAuthentications
    chooser: Chooser

    def build(self) -> tuple[Json, ...]:
        """One for each port and subset."""
        return tuple(_assignments(self.service, self.rule, self._endpoints, self.chooser))

    def _endpoints(self, port: ServicePort, subset: Subset | None) -> Iterator[Located]:
        for pod in self.known:
            address = pod.address_of(port.name, port.target) if _is_in(subset, pod.labels) else None
            if address is not None and not (pod.is_unhealthy and self._panics(port, subset)):
                secure = accepts_mutual_tls(self.peer_authentications, pod, port, self.rule, subset)
                mark = pod_mark(pod.name) if self.service.pod_names else {}
                yield of_pod(pod, address, secure=secure, mark=mark), pod.locality, pod.labels

    def _panics(self, port: ServicePort, subset: Subset | None) -> bool:
        """Whether proxies would call unhealthy endpoints where too few are healthy."""
        policy = self.rule.policy_for(port.number, subset) if self.rule else {}
        threshold = (policy.get("outlierDetection") or {}).get("minHealthPercent")
        return bool(threshold) and not self.service.traffic_distribution


class _ListedEndpoints(NamedTuple):
    """The load assignments of one ServiceEntry; `targets`: the pods of endpoints that are Services' names."""

    service: Service
    rule: DestinationRule | None
    targets: tuple[tuple[Service, tuple[Pod, ...]] | None, ...]
    chooser: Chooser

    def build(self) -> tuple[Json, ...]:
        """One for each port and subset."""
        return tuple(_assignments(self.service, self.rule, self._endpoints, self.chooser))

    def _endpoints(self, port: ServicePort, subset: Subset | None) -> Iterator[Located]:
        for endpoint, target in zip(self.service.endpoints, self.targets, strict=True):
            if _is_in(subset, endpoint.labels):
                own = (_own_address(endpoint, port),)
                addresses = own if target is None else _pod_addresses(*target, endpoint.port(port))
                for address in addresses:
                    document, locality, labels = _located(self.service, endpoint, address)
                    yield {**document, "healthStatus": _HEALTHY}, locality, labels


def _assignments(
    service: Service, rule: DestinationRule | None, endpoints: _EndpointsOf, chooser: Chooser
) -> Iterator[Json]:
    for port in service.ports:
        if port.protocol is Protocol.UDP:
            continue  # there is no cluster for it
        for subset in (None, *(rule.subsets if rule else ())):
            cluster = outbound_cluster(service.host, port.number, subset.name if subset else "")
            chosen = chooser.among(service, port, subset, rule)
            yield _assignment(cluster, endpoints(port, subset), chosen)


def _assignment(cluster: str, endpoints: Iterable[Located], chooser: Chooser) -> Json:
    """A cluster's endpoints by locality, as the caller prefers them."""
    groups = chooser.grouped(endpoints)
    return {"clusterName": cluster, **({"endpoints": groups} if groups else {})}


def of_pod(pod: Pod, address: Address, *, secure: bool, mark: Json | None = None) -> Json:
    """A pod as an endpoint; `secure`: whether it is called with mTLS; `mark`: what callers choose it by."""
    metadata: Json = {"istio": {"workload": str(Peer.of(pod.workload, pod.namespace, pod.labels))}}
    return {
        "endpoint": endpoint_address(address),
        "healthStatus": "UNHEALTHY" if pod.is_unhealthy else _HEALTHY,
        "metadata": {"filterMetadata": {**metadata, **(ENDPOINT_MARK if secure else {}), **(mark or {})}},
        "loadBalancingWeight": pod.weight,
    }


def _listed(service: Service, endpoint: Endpoint, address: Address) -> Json:
    return {
        "endpoint": endpoint_address(address),
        "metadata": {"filterMetadata": {"istio": {"workload": f";{service.namespace}"}}},
        "loadBalancingWeight": endpoint.weight,
    }


def _located(service: Service, endpoint: Endpoint, address: Address) -> Located:
    return _listed(service, endpoint, address), endpoint.locality, endpoint.labels


def _own_address(endpoint: Endpoint, port: ServicePort) -> Address:
    return Address(endpoint.address, endpoint.port(port))


def _target(destinations: Destinations, endpoint: Endpoint) -> Service | None:
    """The Kubernetes Service whose name an endpoint has for its address."""
    service = destinations.service(endpoint.address)
    return None if service is None or service.is_entry else service


def _pod_addresses(service: Service, ready: Iterable[Pod], number: int) -> Iterator[Address]:
    port = service.port(number)
    if port is not None:
        addresses = (pod.address_of(port.name, port.target) for pod in ready)
        yield from (address for address in addresses if address is not None)


def _is_in(subset: Subset | None, labels: Mapping[str, str]) -> bool:
    """Whether an endpoint with these labels is part of a subset."""
    return subset is None or subset.selects(labels)
