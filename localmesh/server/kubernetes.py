"""The running mesh in the words of the Kubernetes API: the same objects, lists and refusals.

So a program that reads what is in force needs one client, here as on a cluster (Kubernetes, "API
Concepts"). Read-only: `apply` is localmesh's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.catalog.proxies import Pod as Endpoint
from localmesh.kinds import KINDS
from localmesh.manifests import Resource
from localmesh.runtime.protocols import RunningWorkload
from localmesh.runtime.workloads import PodState, pod_uid

Json = dict[str, Any]

_PHASES = {PodState.PENDING: "Pending", PodState.STOPPED: "Succeeded"}


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
    """A List as the API server answers it."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {}, "items": list(items)}


def refusal(status: int, reason: str, message: str) -> Json:
    """A Status object: why a request was refused."""
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": status,
    }


def body(resource: Resource) -> Json:
    """An object as it was applied, with its namespace filled in."""
    metadata = dict(resource.body.get("metadata") or {})
    if resource.namespace:
        metadata["namespace"] = resource.namespace
    return {**resource.body, "metadata": metadata}


def pod(member: RunningWorkload) -> Json:
    """A running pod."""
    workload = member.placed.workload
    labels = dict(workload.labels)
    statuses: list[Json] = [
        {
            "name": each.name,
            "ready": each.ready,
            "started": each.started,
            "restartCount": each.restarts,
            "state": {"running": {}} if each.running else {"waiting": {"reason": member.pod.state.value}},
        }
        for each in member.pod.containers
    ]
    if member.envoy is not None:
        sidecar = {"name": "istio-proxy", "ready": member.envoy.ready, "started": member.envoy.ready}
        statuses.append({**sidecar, "restartCount": member.envoy.restarts, "state": {"running": {}}})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": member.placed.name,
            "namespace": workload.namespace,
            "uid": pod_uid(workload.namespace, member.placed.name),
            "labels": labels,
            "annotations": dict(workload.annotations),
        },
        "spec": {
            "serviceAccountName": workload.service_account,
            "containers": [_container(each.name, each.image, each.ports) for each in workload.containers],
        },
        "status": {
            "phase": _PHASES.get(member.pod.state, "Running"),
            "podIP": member.pod.host or "",
            "conditions": [{"type": "Ready", "status": "True" if member.ready else "False"}],
            "containerStatuses": statuses,
        },
    }


def _container(name: str, image: str, ports: Iterable[Any]) -> Json:
    return {
        "name": name,
        "image": image,
        "ports": [
            {"name": port.name, "containerPort": port.number, "protocol": port.protocol} for port in ports
        ],
    }


def has_labels(of: Mapping[str, Any], selector: str) -> bool:
    """Whether an object has the labels of a selector such as ``app=logic,version=v2``."""
    labels = (of.get("metadata") or {}).get("labels") or {}
    wanted = (part.partition("=") for part in selector.split(",") if part)
    return all(labels.get(key.strip()) == value.lstrip("=").strip() for key, _, value in wanted)


def container_port(endpoint: Endpoint, port: str) -> int | None:
    """A port of a pod by number or name."""
    return endpoint.container_port(int(port) if port.isdigit() else port)
