"""Workloads: the pod templates of Deployments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog.container import Container, container
from localmesh.catalog.volume import Volume, volumes
from localmesh.kinds.deployment import GATEWAY_TEMPLATE, TEMPLATES_ANNOTATION
from localmesh.manifests import Resource
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.problem import ProblemCollector

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as in Kubernetes: without vowels, so that no words appear
_NAME_LENGTH = 5
POD_SPEC = FieldPath("spec", "template", "spec")
"""Where a Deployment describes its pods."""
_DEFAULT_GRACE_SECONDS = 30
_DEFAULT_SERVICE_ACCOUNT = "default"
_ROUTER = ("proxy", "router")


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment: a pod template and the number of its pods.

    `restart_key` changes if and only if the template changes, which means new pods, as in Kubernetes.
    `problems` are reasons why the pods cannot be run as processes; a workload with problems can still be
    translated.
    """

    namespace: str
    name: str
    replicas: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    service_account: str
    containers: tuple[Container, ...]
    volumes: tuple[Volume, ...]
    termination_grace_seconds: float
    one_at_a_time: bool
    """Whether old pods are stopped before new ones start (strategy Recreate)."""
    restart_key: str
    resource: Resource = field(compare=False, repr=False)
    is_gateway: bool = False
    """Whether its pods ask for Istio's injection template of gateways, or run its proxy as a router."""
    problems: tuple[Problem, ...] = ()

    @property
    def place(self) -> Place:
        """Where the Deployment was written."""
        return self.resource.place

    @property
    def declared_ports(self) -> tuple[int, ...]:
        """The numbers of all declared TCP ports in the order of the manifest, without duplicates."""
        ports = (port for container in self.containers for port in container.ports if port.protocol == "TCP")
        return tuple(dict.fromkeys(port.number for port in ports))

    @property
    def port_names(self) -> Mapping[str, int]:
        """The numbers of all declared ports that have a name, by the name."""
        return {
            port.name: port.number for container in self.containers for port in container.ports if port.name
        }

    def pod_name(self, ordinal: int) -> str:
        """The name of the `ordinal`-th pod: the workload's and five characters made from its template."""
        identity = f"{self.namespace}/{self.name}/{self.restart_key}/{ordinal}"
        number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big")
        suffix = ""
        for _ in range(_NAME_LENGTH):
            number, index = divmod(number, len(_NAME_ALPHABET))
            suffix += _NAME_ALPHABET[index]
        return f"{self.name}-{suffix}"


def workload(deployment: Resource) -> Workload:
    """The workload of a Deployment that has been loaded, so contains nothing unsupported."""
    template = deployment.spec.get("template") or {}
    metadata = template.get("metadata") or {}
    spec = template.get("spec") or {}
    replicas = deployment.spec.get("replicas")
    grace_seconds = spec.get("terminationGracePeriodSeconds")
    collector = ProblemCollector(deployment.place)
    declared_volumes = tuple(volume["name"] for volume in spec.get("volumes") or ())
    containers = tuple(
        container(body, POD_SPEC / "containers" / index, declared_volumes, collector)
        for index, body in enumerate(spec.get("containers") or ())
    )
    return Workload(
        namespace=deployment.namespace,
        name=deployment.name,
        replicas=1 if replicas is None else replicas,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        service_account=spec.get("serviceAccountName")
        or spec.get("serviceAccount")
        or _DEFAULT_SERVICE_ACCOUNT,
        containers=containers,
        volumes=volumes(spec, POD_SPEC, collector),
        termination_grace_seconds=_DEFAULT_GRACE_SECONDS if grace_seconds is None else grace_seconds,
        one_at_a_time=(deployment.spec.get("strategy") or {}).get("type") == "Recreate",
        restart_key=_restart_key(template),
        resource=deployment,
        is_gateway=asks_for_gateway(metadata.get("annotations") or {}) or any(map(runs_router, containers)),
        problems=tuple(collector.problems),
    )


def asks_for_gateway(annotations: Mapping[str, str]) -> bool:
    """Whether a pod asks for the injection template of gateways, possibly among others."""
    templates = annotations.get(TEMPLATES_ANNOTATION, "").split(",")
    return GATEWAY_TEMPLATE in map(str.strip, templates)


def runs_router(of: Container) -> bool:
    """Whether a container runs Istio's proxy as a gateway, without being injected."""
    return of.arguments[:2] == _ROUTER


def _restart_key(template: Mapping[str, Any]) -> str:
    canonical = json.dumps(template, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
