"""The gateways of an Istio installation, which a mesh has without manifests for them.

`istio-ingressgateway` is part of Istio's default profile, so it always exists. `istio-egressgateway` is
part of the demo profile only, so it exists if something selects or names it. Labels, ports and
identities are those of the charts (istio: manifests/charts/gateways).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from localmesh.catalog.hosts import service_host
from localmesh.manifests import Resource
from localmesh.problems import Place

SYSTEM_NAMESPACE = "istio-system"
INGRESS = "istio-ingressgateway"
EGRESS = "istio-egressgateway"
HTTP_TARGET_PORT = 8080
"""Where the pods of both listen for port 80 of their Services."""
HTTPS_TARGET_PORT = 8443
"""Where they listen for port 443."""
ORIGIN = "Istio's default installation"
"""The file that problems would name for these objects."""
HOSTS = frozenset(service_host(name, SYSTEM_NAMESPACE) for name in (INGRESS, EGRESS))
"""The full names of their Services."""

Labels = Mapping[str, str]

_STATUS_PORT = {"name": "status-port", "port": 15021, "targetPort": 15021}
_PORTS: tuple[Mapping[str, Any], ...] = (
    {"name": "http2", "port": 80, "targetPort": HTTP_TARGET_PORT},
    {"name": "https", "port": 443, "targetPort": HTTPS_TARGET_PORT},
)


def _objects(name: str, component: str, ports: Collection[Mapping[str, Any]]) -> tuple[Resource, Resource]:
    """The Deployment and the Service of a gateway."""
    selector = {"app": name, "istio": name.removeprefix("istio-")}
    labels = {
        **selector,
        "app.kubernetes.io/instance": "istio",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": "istio",
        "chart": "gateways",
        "heritage": "Tiller",
        "install.operator.istio.io/owning-resource": "unknown",
        "istio.io/dataplane-mode": "none",
        "istio.io/rev": "default",
        "operator.istio.io/component": component,
        "release": "istio",
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": "latest",
        "sidecar.istio.io/inject": "false",
    }
    component_name = name.removeprefix("istio-")
    volumes = [f"{component_name}-certs", f"{component_name}-ca-certs"]
    proxy = {
        "name": "istio-proxy",
        "args": ["proxy", "router"],
        "env": [{"name": "ISTIO_META_UNPRIVILEGED_POD", "value": "true"}],
        "ports": [{"containerPort": port["targetPort"]} for port in ports],
        "volumeMounts": [{"name": volume, "mountPath": f"/etc/istio/{volume}"} for volume in volumes],
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": f"{name}-service-account",
            "containers": [proxy],
            "volumes": [
                {"name": volume, "secret": {"secretName": f"istio-{volume}", "optional": True}}
                for volume in volumes
            ],
        },
    }
    deployment = {"selector": {"matchLabels": selector}, "template": template}
    return (
        _resource("apps/v1", "Deployment", name, deployment),
        _resource("v1", "Service", name, {"selector": selector, "ports": list(ports)}),
    )


def _resource(api_version: str, kind: str, name: str, spec: Mapping[str, Any]) -> Resource:
    metadata = {"name": name, "namespace": SYSTEM_NAMESPACE}
    return Resource(
        api_version=api_version,
        kind=kind,
        namespace=SYSTEM_NAMESPACE,
        name=name,
        labels={},
        annotations={},
        body={"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec},
        place=Place(ORIGIN, kind, SYSTEM_NAMESPACE, name),
        order=-1,
    )


_INGRESS = _objects(INGRESS, "IngressGateways", (_STATUS_PORT, *_PORTS))
_EGRESS = _objects(EGRESS, "EgressGateways", _PORTS)
_EGRESS_HOST = service_host(EGRESS, SYSTEM_NAMESPACE)


def default_gateways(
    selectors: Collection[Labels], gateway_labels: Collection[Labels], hosts: Iterable[str]
) -> Iterator[Resource]:
    """The Deployments and Services that a mesh has by default.

    `selectors` are those of its Gateways, `gateway_labels` the labels of the gateway pods that its manifests
    bring, `hosts` the full names that its routes and rules are for or lead to.
    """
    ingress, egress = (_labels(deployment) for deployment, _ in (_INGRESS, _EGRESS))
    yield from _INGRESS
    is_selected = any(
        selector.items() <= egress.items()
        and not any(selector.items() <= labels.items() for labels in (ingress, *gateway_labels))
        for selector in selectors
    )
    if is_selected or _EGRESS_HOST in hosts:
        yield from _EGRESS


def _labels(deployment: Resource) -> Labels:
    labels: Labels = deployment.spec["template"]["metadata"]["labels"]
    return labels
