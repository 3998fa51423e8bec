"""The objects of a case for the cluster, with pods that do nothing but have a sidecar.

The configuration of a proxy depends on a pod's labels, ports, ServiceAccount and readiness, not on the
program in it. So the containers of all Deployments only pause: small, always ready, no image to build.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localmesh.manifests import Resource
from tests.conformance.record.cluster import SYSTEM

Json = dict[str, Any]

OWNER = "conformance-record"
OWNER_LABEL = "app.kubernetes.io/managed-by"
_PLAIN = frozenset(
    {
        "ConfigMap",
        "Endpoints",
        "EndpointSlice",
        "Ingress",
        "IngressClass",
        "Secret",
        "Service",
        "ServiceAccount",
    }
)


def objects(resources: Iterable[Resource], image: str) -> list[Json]:
    """The objects to apply for these resources, namespaces first."""
    resources = tuple(resources)
    applied = list(_namespaces(resources))
    for resource in resources:
        if resource.kind == "Deployment":
            applied.append(_stand_in(resource, image))
        elif resource.kind in _PLAIN or is_configuration(resource.api_version):
            applied.append(_object(resource))
    return applied


def workloads_of(item: Mapping[str, Any]) -> Iterator[str]:
    """The workloads that come with an object: a Deployment, or that which istiod makes for a Gateway."""
    metadata = item["metadata"]
    if item["kind"] == "Deployment":
        yield f"{metadata['name']}.{metadata['namespace']}"
    elif item["kind"] == "Gateway" and not is_istio(item["apiVersion"]):
        yield f"{metadata['name']}-{item['spec']['gatewayClassName']}.{metadata['namespace']}"


def is_configuration(api_version: str) -> bool:
    """Whether an API version is one of Istio's, or of the Gateway API."""
    return is_istio(api_version) or api_version.startswith("gateway.networking.k8s.io/")


def is_istio(api_version: str) -> bool:
    """Whether an API version is one of Istio's."""
    return ".istio.io/" in api_version


def _object(resource: Resource) -> Json:
    namespace = {"namespace": resource.namespace} if resource.namespace else {}
    metadata = {**resource.body["metadata"], **namespace}
    return {**resource.body, "metadata": metadata}


def _namespaces(resources: tuple[Resource, ...]) -> Iterator[Json]:
    labels = {resource.name: resource.labels for resource in resources if resource.kind == "Namespace"}
    for name in sorted({resource.namespace for resource in resources} - {SYSTEM, ""}):
        written = {"istio-injection": "enabled", **labels.get(name, {})}
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {**written, OWNER_LABEL: OWNER}},
        }


def _stand_in(deployment: Resource, image: str) -> Json:
    spec = deployment.spec
    template = spec["template"]
    pod: Json = {
        "terminationGracePeriodSeconds": 1,
        "containers": [_container(container, image) for container in template["spec"]["containers"]],
    }
    if account := template["spec"].get("serviceAccountName"):
        pod["serviceAccountName"] = account
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment.name, "namespace": deployment.namespace},
        "spec": {
            "replicas": spec.get("replicas", 1),
            "selector": spec["selector"],
            "template": {"metadata": template["metadata"], "spec": pod},
        },
    }


def _container(container: Mapping[str, Any], image: str) -> Json:
    kept = {key: container[key] for key in ("name", "ports") if key in container}
    return {**kept, "image": image, "imagePullPolicy": "IfNotPresent"}
