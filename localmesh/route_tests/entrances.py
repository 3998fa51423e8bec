"""Where requests enter that name no source: at a gateway, or at the sidecar of a workload that is added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from localmesh.catalog import MESH, Catalog, Service, VirtualService, build
from localmesh.catalog.hosts import full_host, is_within
from localmesh.catalog.virtual_services import gateway_name
from localmesh.explain import OUTSIDE, Request
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource, load_text, of_kind
from localmesh.route_tests.cases import ANY_SOURCE

_CALLER = "any-workload"
"""The workload that is added to each namespace with VirtualServices: its sidecar sends the requests."""
_SELECTOR = {"istio": "ingressgateway"}


def with_entrances(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """The objects, a workload in each namespace with VirtualServices, and the Gateways that are missing.

    A Gateway that a VirtualService names and that is not among the objects is taken to serve HTTP on port 80
    for all hosts.
    """
    objects = tuple(resources)
    routed = of_kind(objects, VIRTUAL_SERVICE)
    callers = [_caller(namespace) for namespace in sorted({each.namespace for each in routed})]
    known = {(gateway.namespace, gateway.name) for gateway in of_kind(objects, GATEWAY)}
    named = sorted({name for each in routed for name in _gateways(each)} - known)
    return _with(objects, [*callers, *(_gateway(*name) for name in named)])


def with_caller(resources: Iterable[Resource], request: Request) -> tuple[tuple[Resource, ...], Request]:
    """The objects and a request from outside, or with a workload that sends it if it is for the mesh.

    It is if no VirtualService binds its host to a gateway, and the host is that of a Service, or there is no
    gateway that could take it.
    """
    objects = tuple(resources)
    namespace = _calling_namespace(request.host, build(objects))
    if namespace is None:
        return objects, replace(request, source=OUTSIDE)
    return _with(objects, [_caller(namespace)]), replace(request, source=f"{_CALLER}.{namespace}")


def _calling_namespace(host: str, catalog: Catalog) -> str | None:
    """The namespace in which a call of a host makes sense; None for calls from outside."""
    routing = [each for each in catalog.virtual_services if _has_host(each, host)]
    if any(map(_is_of_gateway, routing)):
        return None
    called = {each.namespace for each in catalog.services if not each.is_entry and _is_called(each, host)}
    if not called and not any(gateway.servers for gateway in catalog.gateways):
        called = {each.namespace for each in routing[:1]}
    return called.pop() if len(called) == 1 else None


def _is_called(service: Service, host: str) -> bool:
    """Whether a host is the name of a Service, in full or without parts at its end."""
    return f"{service.host}.".startswith(f"{host.lower()}.")


def _with(objects: tuple[Resource, ...], added: Iterable[Mapping[str, Any]]) -> tuple[Resource, ...]:
    text = "\n---\n".join(map(json.dumps, added))
    order = len(objects)
    return (
        *objects,
        *(replace(each, order=order + each.order) for each in load_text(text, "<added>").resources),
    )


def with_source(request: Request, catalog: Catalog) -> Request:
    """The request from where its host is routed: outside if a VirtualService binds it to a gateway.

    A short name is that of a Service beside the VirtualService that has it among its hosts.
    """
    if request.source != ANY_SOURCE:
        return request
    routing = [each for each in catalog.virtual_services if _has_host(each, request.host)]
    chosen = next(iter((*filter(_is_of_gateway, routing), *routing)), None)
    if chosen is None or _is_of_gateway(chosen):
        return replace(request, source=OUTSIDE)
    host = full_host(request.host, chosen.namespace)
    return replace(request, source=f"{_CALLER}.{chosen.namespace}", host=host)


def _has_host(virtual_service: VirtualService, host: str) -> bool:
    full = full_host(host, virtual_service.namespace)
    return any(is_within(full, name) for name in virtual_service.hosts)


def _is_of_gateway(virtual_service: VirtualService) -> bool:
    return bool(virtual_service.gateways - {MESH})


def _gateways(virtual_service: Resource) -> Iterator[tuple[str, str]]:
    for name in virtual_service.spec.get("gateways") or ():
        if name != MESH:
            namespace, _, own = gateway_name(name, virtual_service.namespace).partition("/")
            yield namespace, own


def _caller(namespace: str) -> Mapping[str, Any]:
    labels = {"app": _CALLER}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _CALLER, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "caller", "image": "caller"}]},
            },
        },
    }


def _gateway(namespace: str, name: str) -> Mapping[str, Any]:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": _SELECTOR, "servers": [server]},
    }
