"""Endpoints that are written down: EndpointSlices, and Endpoints, of which Kubernetes makes slices.

A slice belongs to the Service of its namespace that its label names, whether that has a selector or not.
Kubernetes mirrors Endpoints if the Service of their name has no selector. istiod:
pilot/pkg/serviceregistry/kube/controller/endpointslice.go; kubernetes: pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from localmesh.catalog.hosts import service_host
from localmesh.catalog.objects import Objects
from localmesh.catalog.proxies import Address, Pod
from localmesh.kinds.endpoints import ENDPOINT_SLICE, ENDPOINTS
from localmesh.kinds.service import SERVICE
from localmesh.manifests import Resource

Json = Mapping[str, Any]

SERVICE_NAME = "kubernetes.io/service-name"
"""The label of a slice with the name of its Service."""
_IMPORTED = "multicluster.kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER = "endpointslice-controller.k8s.io"
_MIRRORING = "endpointslicemirroring-controller.k8s.io"
_SKIPPED = "endpointslice.kubernetes.io/skip-mirror"
_ELECTED = "control-plane.alpha.kubernetes.io/leader"


def service_of(resource: Resource, objects: Objects) -> Resource | None:
    """The Service whose endpoints a slice or Endpoints are; None if they are nobody's."""
    name = resource.name if resource.is_a(ENDPOINTS) else resource.labels.get(SERVICE_NAME, "")
    return objects.named(SERVICE, resource.namespace, name)


def is_replaced(resource: Resource, service: Resource) -> bool:
    """Whether a controller of Kubernetes removes a slice or does not mirror Endpoints, as pods decide."""
    if resource.is_a(ENDPOINTS):
        return bool(service.spec.get("selector"))
    manager = resource.labels.get(_MANAGED_BY, "")
    return manager == _MIRRORING or (manager == _CONTROLLER and bool(service.spec.get("selector")))


def is_set_aside(resource: Resource) -> bool:
    """Whether a slice is of a Service of several clusters, or a label keeps Endpoints from being mirrored."""
    if resource.is_a(ENDPOINTS):
        return resource.labels.get(_SKIPPED) == "true" or _ELECTED in resource.annotations
    return _IMPORTED in resource.labels


def is_of_names(resource: Resource) -> bool:
    """Whether a slice has names in place of addresses, which Istio does not use."""
    return resource.body.get("addressType") == "FQDN"


def is_of_pod(endpoint: Json) -> bool:
    """Whether an endpoint names the pod whose address it has: here pods have other addresses."""
    return (endpoint.get("targetRef") or {}).get("kind") == "Pod"


def is_used(resource: Resource, objects: Objects) -> bool:
    """Whether a slice or Endpoints have endpoints for a Service."""
    service = service_of(resource, objects)
    is_left = service is not None and not is_replaced(resource, service)
    return is_left and not is_set_aside(resource) and not is_of_names(resource)


def listed_endpoints(objects: Objects) -> Mapping[str, tuple[Pod, ...]]:
    """The endpoints of all slices and Endpoints by the host of their Service.

    Of several with one address and port name, the first counts.
    """
    found: dict[str, dict[tuple[str, str], _Listed]] = {}
    for resource in objects.of(ENDPOINT_SLICE, ENDPOINTS):
        if is_used(resource, objects):
            name = resource.name if resource.is_a(ENDPOINTS) else resource.labels[SERVICE_NAME]
            known = found.setdefault(service_host(name, resource.namespace), {})
            for listed in _listed(resource):
                known.setdefault((listed.address, listed.port), listed)
    return {host: tuple(_pods(known.values())) for host, known in found.items()}


class _Listed(NamedTuple):
    """An address, with one port."""

    address: str
    port: str
    """The name of the Service's port."""
    number: int
    is_ready: bool
    namespace: str


def _pods(listed: Iterable[_Listed]) -> Iterator[Pod]:
    """An endpoint for each address, with its ports."""
    ports: dict[tuple[str, bool, str], dict[str, Address]] = {}
    for each in listed:
        own = ports.setdefault((each.address, each.is_ready, each.namespace), {})
        own[each.port] = Address(each.address, each.number)
    for (address, is_ready, namespace), addresses in ports.items():
        yield Pod(
            name=address,
            namespace=namespace,
            workload="",
            labels={},
            service_account="",
            addresses={},
            port_names={},
            ready=is_ready,
            port_addresses=addresses,
            is_unhealthy=not is_ready,
        )


def _listed(resource: Resource) -> Iterator[_Listed]:
    for ports, endpoints in _groups(resource):
        for addresses, is_ready in endpoints:
            for address in addresses:
                for port in ports:
                    name, number = port.get("name") or "", int(port.get("port") or 0)
                    yield _Listed(address, name, number, is_ready, resource.namespace)


def _groups(resource: Resource) -> Iterator[tuple[list[Json], list[tuple[list[str], bool]]]]:
    """The ports of a slice, or of a subset of Endpoints, with the addresses that have them."""
    if resource.is_a(ENDPOINT_SLICE):
        usable = (each for each in resource.body.get("endpoints") or () if not is_of_pod(each))
        states = ((each["addresses"], _is_ready(each.get("conditions") or {})) for each in usable)
        known = [(addresses, is_ready) for addresses, is_ready in states if is_ready is not None]
        yield resource.body.get("ports") or [], known
        return
    for subset in resource.body.get("subsets") or ():
        # those that are not ready may be terminating, as Kubernetes does not say: Istio leaves them out
        ready = [([each["ip"]], True) for each in subset.get("addresses") or () if not is_of_pod(each)]
        yield subset.get("ports") or [], ready


def _is_ready(conditions: Json) -> bool | None:
    """Whether an endpoint is ready; None for one that is terminating, or may be as nothing else is said."""
    if conditions.get("ready", True):
        return True
    return None if conditions.get("terminating", True) else False
