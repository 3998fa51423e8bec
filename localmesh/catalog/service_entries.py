"""ServiceEntries: hosts that are added to those of Kubernetes (Istio, "Service Entry")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.catalog.objects import Objects
from localmesh.catalog.services import Endpoint, Resolution, Service, ServicePort, protocol_of
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.manifests import Resource


def service_entries(objects: Objects) -> Iterator[Service]:
    """A Service for every host of every ServiceEntry, oldest first."""
    for entry in objects.of(SERVICE_ENTRY):
        for host in entry.spec.get("hosts") or ():
            yield _service(entry, host.lower())


def _service(entry: Resource, host: str) -> Service:
    spec: Mapping[str, Any] = entry.spec
    resolution = Resolution(spec.get("resolution", "NONE"))
    selector = dict((spec.get("workloadSelector") or {}).get("labels") or {})
    endpoints = tuple(_endpoint(endpoint) for endpoint in spec.get("endpoints") or ())
    if not endpoints and resolution in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN):
        endpoints = (Endpoint(host),)
    return Service(
        namespace=entry.namespace,
        name=host,
        host=host,
        ports=tuple(_port(port) for port in spec.get("ports") or ()),
        selector=selector,
        addresses=(),
        headless=False,
        export_to=tuple(spec.get("exportTo") or ()),
        resolution=Resolution.PODS if selector else resolution,
        is_external=spec.get("location", "MESH_EXTERNAL") == "MESH_EXTERNAL",
        endpoints=endpoints,
        is_entry=True,
        subject=entry.place.subject,
    )


def _port(port: Mapping[str, Any]) -> ServicePort:
    number = int(port["number"])
    protocol = protocol_of(name=port.get("protocol", "").lower() or port.get("name", ""), number=number)
    return ServicePort(port.get("name", ""), number, int(port.get("targetPort") or number), protocol)


def _endpoint(endpoint: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        address=endpoint.get("address", ""),
        ports={name: int(number) for name, number in (endpoint.get("ports") or {}).items()},
        labels=dict(endpoint.get("labels") or {}),
        weight=int(endpoint.get("weight") or 1),
    )
