"""How a cluster finds its endpoints: told by the stream, through DNS, or host by host.

Where Istio goes on to the address that its caller had looked up (resolution NONE), the proxy looks the
name up itself: behind an explicit proxy port there is no such address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localmesh.catalog import Address, Catalog, Endpoint, Resolution, Service, ServicePort, Subset
from localmesh.translate.addresses import ADS, endpoint_address, looked_up

Json = dict[str, Any]

_DNS_TYPES = {Resolution.DNS: "STRICT_DNS", Resolution.DNS_ROUND_ROBIN: "LOGICAL_DNS"}
_RESOLVER = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def discovery(
    service: Service, port: ServicePort, subset: Subset | None, cluster: str, *, told: bool
) -> Json:
    """The part of a cluster that says where its endpoints come from; `told`: see `is_told`."""
    if service.resolution is Resolution.NONE:
        return looked_up()
    if told:
        return {"type": "EDS", "edsClusterConfig": {"edsConfig": ADS, "serviceName": cluster}}
    entries = (entry for entry in service.endpoints if is_in(subset, entry.labels))
    return {
        "type": _DNS_TYPES[service.resolution],
        "loadAssignment": assignment(cluster, [_endpoint(service, entry, port) for entry in entries]),
        "dnsRefreshRate": "60s",
        "dnsJitter": "0.100s",
        "respectDnsTtl": True,
        "dnsLookupFamily": "V4_ONLY",
        "typedDnsResolverConfig": {
            "name": "envoy.network.dns_resolver.cares",
            "typedConfig": {"@type": f"type.googleapis.com/{_RESOLVER}", "udpMaxQueries": 100},
        },
    }


def is_told(catalog: Catalog, service: Service) -> bool:
    """Whether a Service's endpoints are told by the stream.

    So are those of an entry that leads to Services of the mesh's own manifests: DNS does not know these
    names here.
    """
    if service.resolution in _DNS_TYPES:
        return all(_target(catalog, entry) for entry in service.endpoints)
    return service.resolution is not Resolution.NONE


def written_endpoints(
    catalog: Catalog, service: Service, port: ServicePort, subset: Subset | None
) -> Iterator[Json]:
    """The endpoints that an entry lists, those of Services as the pods behind them."""
    for entry in service.endpoints:
        if not is_in(subset, entry.labels):
            continue
        target = _target(catalog, entry)
        if target is None:
            yield _endpoint(service, entry, port)
            continue
        for address in _pods(catalog, target, entry.port(port)):
            yield _at(service, entry, address)


def is_in(subset: Subset | None, labels: Any) -> bool:
    """Whether an endpoint with these labels is part of a subset."""
    return subset is None or subset.selects(labels)


def assignment(cluster: str, endpoints: list[Json]) -> Json:
    """A cluster's endpoints, all in one place."""
    out: Json = {"clusterName": cluster}
    if endpoints:
        weight = sum(int(endpoint["loadBalancingWeight"]) for endpoint in endpoints)
        out["endpoints"] = [{"locality": {}, "lbEndpoints": endpoints, "loadBalancingWeight": weight}]
    return out


def _target(catalog: Catalog, entry: Endpoint) -> Service | None:
    """The Service of Kubernetes whose name an endpoint has for its address."""
    found = catalog.service(entry.address)
    return None if found is None or found.is_entry else found


def _pods(catalog: Catalog, target: Service, number: int) -> Iterator[Address]:
    port = target.port(number)
    for pod in sorted(catalog.pods_of(target), key=lambda pod: pod.name):
        address = pod.address(port.target) if port and pod.ready else None
        if address is not None:
            yield address


def _endpoint(service: Service, entry: Endpoint, port: ServicePort) -> Json:
    return _at(service, entry, Address(entry.address, entry.port(port)))


def _at(service: Service, entry: Endpoint, address: Address) -> Json:
    return {
        "endpoint": endpoint_address(address),
        "metadata": {"filterMetadata": {"istio": {"workload": f";{service.namespace}"}}},
        "loadBalancingWeight": entry.weight,
    }
