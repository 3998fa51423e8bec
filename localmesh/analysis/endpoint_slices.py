"""EndpointSlices and Endpoints that give no Service an endpoint, and single endpoints and ports of others."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog import Catalog
from localmesh.catalog.endpoint_slices import (
    SERVICE_NAME,
    is_of_names,
    is_of_pod,
    is_replaced,
    is_set_aside,
    service_of,
)
from localmesh.kinds.endpoints import ENDPOINT_SLICE, ENDPOINTS
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed, quoted

_ADDRESSES = "write addresses, or a ServiceEntry with resolution DNS"
_ALL_PODS = "give the Service a selector, or remove targetRef to call the address itself"


def endpoint_slices(catalog: Catalog) -> Iterator[Problem]:
    """All EndpointSlices and Endpoints."""
    for resource in catalog.objects.of(ENDPOINT_SLICE, ENDPOINTS):
        service = service_of(resource, catalog.objects)
        if is_set_aside(resource):
            continue
        if service is None:
            yield _without_service(resource)
        elif is_replaced(resource, service):
            reason = f"Kubernetes writes the endpoints of {service.place.subject} itself, from its pods"
            yield _unused(_name(resource), reason, f"remove the {resource.kind}, or the selector")
        elif is_of_names(resource):
            yield _unused(resource.root.get("addressType"), "Istio uses IP addresses only", _ADDRESSES)
        else:
            yield from _parts(resource, service)


def _without_service(resource: Resource) -> Problem:
    label = resource.root.get("metadata", "labels", SERVICE_NAME)
    namespace = resource.namespace
    if resource.is_a(ENDPOINT_SLICE) and not label.text:
        reason = f"it has no label {SERVICE_NAME}, so it belongs to no Service"
        return _unused(_name(resource), reason, "add the label with the name of the Service")
    named = label if resource.is_a(ENDPOINT_SLICE) else _name(resource)
    reason = f"there is no Service {named.text} in the namespace {namespace}"
    return _unused(named, reason, "correct the name, or add the Service, without selector")


def _parts(resource: Resource, service: Resource) -> Iterator[Problem]:
    """The endpoints and ports that are not used."""
    root = resource.root
    groups = [root] if resource.is_a(ENDPOINT_SLICE) else list(root.get("subsets").items())
    names = [port.get("name") or "" for port in service.spec.get("ports") or ()]
    for group in groups:
        for key in ("endpoints", "addresses", "notReadyAddresses"):
            for endpoint in group.get(key).items():
                if is_of_pod(endpoint.value):
                    target = endpoint.get("targetRef", "name")
                    yield _unused(
                        target, "the pods of a mesh without a cluster have other addresses", _ALL_PODS
                    )
        for port in group.get("ports").items():
            if (port.get("name").text or "") not in names:
                known = listed(quoted(name) if name else "(no name)" for name in names)
                reason = f"the ports of {service.place.subject} are {known}"
                yield _unused(port.get("name") or port, reason, "write the name of the Service's port")


def _name(resource: Resource) -> Field:
    return resource.root.get("metadata", "name")


def _unused(field: Field, reason: str, remedy: str) -> Problem:
    return field.problem(warnings.UNUSED_ENDPOINTS, reason=reason, remedy=remedy)
