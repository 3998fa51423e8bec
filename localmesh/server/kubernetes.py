"""The running mesh in the form of the Kubernetes API: objects, lists and Status (Kubernetes, "API Concepts").

A program that reads the configuration needs one client for localmesh and for a cluster. This part of the
API is read-only; `apply` is localmesh's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.catalog import Pod, Workload
from localmesh.catalog.addressing import PlannedGateway
from localmesh.catalog.container import Container
from localmesh.kinds import KINDS
from localmesh.kinds.rules.pod_support import PROXY_CONTAINER
from localmesh.manifests import Resource
from localmesh.runtime.protocols import RunningPod, RunningProxy
from localmesh.runtime.workloads import PodState, pod_uid

Json = dict[str, Any]

_PHASES = {
    PodState.PENDING: "Pending",
    PodState.STOPPED: "Succeeded",
    PodState.COMPLETED: "Succeeded",
    PodState.FAILED: "Failed",
}


def objects(
    resources: Iterable[Resource], *, group: str, kinds: str, namespace: str | None
) -> list[Resource]:
    """The objects of a kind (by its plural), of one namespace or of all."""
    names = {kind.name for kind in KINDS.values() if (kind.group, kind.plural) == (group, kinds)}
    return [
        resource
        for resource in resources
        if resource.group == group
        and resource.kind in names
        and (namespace is None or resource.namespace == namespace)
    ]


def object_list(kind: str, api_version: str, items: Iterable[Mapping[str, Any]]) -> Json:
    """A List."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {}, "items": list(items)}


def refusal(status: int, reason: str, message: str) -> Json:
    """A Status object that says why a request was refused."""
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }


def body(resource: Resource, status: Mapping[str, Any] | None = None) -> Json:
    """An object as it was applied, with its namespace, and with its status if it has one."""
    metadata = dict(resource.body.get("metadata") or {})
    if resource.namespace:
        metadata["namespace"] = resource.namespace
    return {**resource.body, "metadata": metadata, **({"status": status} if status else {})}


def pod(running: RunningPod) -> Json:
    """A running pod."""
    workload = running.planned.workload
    status = {
        "phase": _PHASES.get(running.application.state, "Running"),
        "podIP": running.application.host or "",
        "conditions": [_readiness(running.ready)],
        "containerStatuses": _container_statuses(running),
    }
    containers = [_container(container) for container in workload.containers]
    return _pod(workload, running.planned.name, containers, status)


def gateway_pod(planned: PlannedGateway, running: RunningProxy) -> Json:
    """A running pod of a gateway, which is an Envoy alone."""
    listening = planned.as_endpoint(ready=running.ready, host=running.host).addresses.values()
    status = {
        "phase": "Running",
        "podIP": next((address.host for address in listening), ""),
        "conditions": [_readiness(running.ready)],
        "containerStatuses": [_proxy_status(running)],
    }
    containers = [_container(container) for container in planned.workload.containers]
    return _pod(planned.workload, planned.proxy.name, containers, status)


def _pod(workload: Workload, name: str, containers: list[Json], status: Json) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": workload.namespace,
            "uid": pod_uid(workload.namespace, name),
            "labels": dict(workload.labels),
            "annotations": dict(workload.annotations),
        },
        "spec": {"serviceAccountName": workload.service_account, "containers": containers},
        "status": status,
    }


def _readiness(ready: bool) -> Json:
    return {"type": "Ready", "status": str(ready)}


def _container(container: Container) -> Json:
    return {
        "name": container.name,
        "image": container.image,
        "ports": [
            {"name": port.name, "containerPort": port.number, "protocol": port.protocol}
            for port in container.ports
        ],
    }


def _container_statuses(running: RunningPod) -> list[Json]:
    waiting = {"waiting": {"reason": running.application.state.value}}
    statuses: list[Json] = [
        {
            "name": container.name,
            "ready": container.ready,
            "started": container.started,
            "restartCount": container.restarts,
            "state": {"running": {}} if container.running else waiting,
        }
        for container in running.application.containers
    ]
    if running.sidecar is not None:
        statuses.append(_proxy_status(running.sidecar))
    return statuses


def _proxy_status(proxy: RunningProxy) -> Json:
    return {
        "name": PROXY_CONTAINER,
        "ready": proxy.ready,
        "started": proxy.ready,
        "restartCount": proxy.restarts,
        "state": {"running": {}},
    }


def has_labels(of: Mapping[str, Any], selector: str) -> bool:
    """Whether an object has the labels of a selector such as ``app=logic,version=v2``."""
    labels = (of.get("metadata") or {}).get("labels") or {}
    wanted = (part.partition("=") for part in selector.split(",") if part)
    return all(labels.get(key.strip()) == value.lstrip("=").strip() for key, _, value in wanted)


def container_port(pod: Pod, port: str) -> int | None:
    """A port of a pod by number or name."""
    return pod.container_port(int(port) if port.isdigit() else port)
