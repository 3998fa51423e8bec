"""The Deployment and Service that istiod makes for a Gateway.

istiod: gatewaycommon/deploymentcontroller.go, manifests/charts/istio-control/…/kube-gateway.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from localmesh.catalog.gateway_api.derived import derived
from localmesh.catalog.gateway_api.listeners import Listener, class_name
from localmesh.formats.hostnames import SERVICE_DOMAIN
from localmesh.manifests import Resource
from localmesh.problems import FieldPath

Json = dict[str, Any]

NAME_LABEL = "gateway.networking.k8s.io/gateway-name"
"""The label of all objects that istiod makes for a Gateway."""
_CLASS_LABEL = "gateway.networking.k8s.io/gateway-class-name"
_MANAGED = {"gateway.istio.io/managed": "istio.io-gateway-controller"}
_RESERVED = "gateway.networking.k8s.io/"
_NAME_OVERRIDE = "gateway.istio.io/name-override"
_SERVICE_ACCOUNT = "gateway.istio.io/service-account"
_SERVICE_TYPE = "networking.istio.io/service-type"
_LONGEST_PORT_NAME = 63
_STATUS_PORT = 15021


def is_managed(gateway: Resource) -> bool:
    """Whether istiod makes a Deployment and a Service: unless the Gateway names a Service by its host."""
    addresses = gateway.spec.get("addresses") or ()
    if not addresses:
        return True
    return len(addresses) == 1 and addresses[0].get("type", "IPAddress") == "IPAddress"


def deployment_name(gateway: Resource) -> str:
    """The name of the Deployment and the Service."""
    return gateway.annotations.get(_NAME_OVERRIDE) or default_name(gateway)


def default_name(gateway: Resource) -> str:
    """The name without an annotation: the Gateway's and that of its class."""
    return f"{gateway.name}-{class_name(gateway)}"


def service_account(gateway: Resource) -> str:
    """The ServiceAccount of the pods."""
    return gateway.annotations.get(_SERVICE_ACCOUNT) or default_name(gateway)


def service_hosts(gateway: Resource) -> tuple[list[str], list[str]]:
    """The hosts of the Services that a Gateway is served by, and the addresses that cannot be used."""
    if is_managed(gateway):
        return [f"{deployment_name(gateway)}.{gateway.namespace}.{SERVICE_DOMAIN}"], []
    hosts: list[str] = []
    skipped: list[str] = []
    for address in gateway.spec["addresses"]:
        value = address.get("value", "")
        if address.get("type", "IPAddress") != "Hostname":
            skipped.append(value)
        else:
            hosts.append(value if "." in value else f"{value}.{gateway.namespace}.{SERVICE_DOMAIN}")
    return hosts, skipped


def managed_objects(gateway: Resource, listeners: Sequence[Listener]) -> Iterator[Resource]:
    """The Deployment and the Service of a Gateway, unless it is served by others."""
    if not is_managed(gateway):
        return
    name, labels = deployment_name(gateway), _labels(gateway)
    yield derived("apps/v1", "Deployment", name, _deployment(gateway, labels), source=gateway, labels=labels)
    spec = {
        "type": gateway.annotations.get(_SERVICE_TYPE, "LoadBalancer"),
        "selector": {NAME_LABEL: gateway.name},
        "ports": list(_ports(listeners)),
    }
    origins = {FieldPath("spec", "ports"): (gateway, FieldPath("spec", "listeners"))}
    yield derived("v1", "Service", name, spec, source=gateway, labels=labels, origins=origins)


def _labels(gateway: Resource) -> Mapping[str, str]:
    """The labels: those of `infrastructure` if there are any, else those of the Gateway, and istiod's."""
    infrastructure = (gateway.spec.get("infrastructure") or {}).get("labels")
    written = gateway.labels if infrastructure is None else _free(infrastructure)
    istiod = {NAME_LABEL: gateway.name, _CLASS_LABEL: class_name(gateway), **_MANAGED}
    return {**written, **istiod}


def _free(names: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in names.items() if not name.startswith(_RESERVED)}


def _deployment(gateway: Resource, labels: Mapping[str, str]) -> Json:
    canonical = {
        "service.istio.io/canonical-name": deployment_name(gateway),
        "service.istio.io/canonical-revision": "latest",
        "sidecar.istio.io/inject": "false",
    }
    container = {
        "name": "istio-proxy",
        "args": ["proxy", "router"],
    }
    return {
        "selector": {"matchLabels": {NAME_LABEL: gateway.name}},
        "template": {
            "metadata": {"labels": {**labels, **canonical}},
            "spec": {"serviceAccountName": service_account(gateway), "containers": [container]},
        },
    }


def _ports(listeners: Iterable[Listener]) -> Iterator[Json]:
    """The ports of the Service: one for each port of a listener, named after the first."""
    yield {"name": "status-port", "port": _STATUS_PORT, "appProtocol": "tcp"}
    numbers: set[int] = set()
    names = {"status-port"}
    for listener in listeners:
        if listener.port in numbers or not listener.port:
            continue
        numbers.add(listener.port)
        name = _unique(listener.name.replace(".", "-")[:_LONGEST_PORT_NAME], listener.port, names)
        names.add(name)
        yield {"name": name, "port": listener.port, "appProtocol": listener.protocol.lower()}


def _unique(name: str, port: int, taken: set[str]) -> str:
    candidate, suffix = name, f"-{port}"
    while candidate in taken:
        candidate = name[: _LONGEST_PORT_NAME - len(suffix)] + suffix
        suffix += "x"
    return candidate
