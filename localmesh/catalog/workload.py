"""Workloads: the pod templates of Deployments, StatefulSets and DaemonSets, and pods by themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from localmesh.catalog.container import Container, container
from localmesh.catalog.volume import Claim, Volume, volumes
from localmesh.kinds.jobs import JOB
from localmesh.kinds.rules.pod_support import GATEWAY_TEMPLATE, TEMPLATES_ANNOTATION
from localmesh.kinds.workloads import DAEMON_SET, POD, STATEFUL_SET
from localmesh.manifests import Resource
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.problem import ProblemCollector

_NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as in Kubernetes: without vowels, so that no words appear
_NAME_LENGTH = 5
_DEFAULT_GRACE_SECONDS = 30
_DEFAULT_SERVICE_ACCOUNT = "default"
_BACKOFF_LIMIT = 6  # Kubernetes' default
_ROUTER = ("proxy", "router")


class PodNaming(Enum):
    """How the pods of a workload are named: by their template, by their number, or as the workload."""

    GENERATED = "generated"
    NUMBERED = "numbered"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or another object that has pods: a pod template and the number of its pods.

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
    init_containers: tuple[Container, ...]
    """Those that run one after the other, to their ends, before the containers start."""
    volumes: tuple[Volume, ...]
    termination_grace_seconds: float
    one_at_a_time: bool
    """Whether old pods are stopped before new ones start, as with the strategy Recreate."""
    restart_key: str
    resource: Resource = field(compare=False, repr=False)
    naming: PodNaming = PodNaming.GENERATED
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """The labels of the nodes that its pods ask for."""
    is_gateway: bool = False
    """Whether its pods ask for Istio's injection template of gateways, or run its proxy as a router."""
    retries: int | None = None
    """How often a container of a Job is started again after failures; None: after every end, for ever."""
    problems: tuple[Problem, ...] = ()

    @property
    def runs_once(self) -> bool:
        """Whether its containers are done when they have succeeded, as in a Job."""
        return self.retries is not None

    @property
    def place(self) -> Place:
        """Where the object was written."""
        return self.resource.place

    @property
    def pod_spec(self) -> FieldPath:
        """Where the object describes its pods."""
        return FieldPath("spec") if self.naming is PodNaming.OWN else FieldPath("spec", "template", "spec")

    def path_of(self, of: Container) -> FieldPath:
        """Where one of its containers is described."""
        kinds = (("containers", self.containers), ("initContainers", self.init_containers))
        kind, among = next((kind, among) for kind, among in kinds if of in among)
        return self.pod_spec / kind / among.index(of)

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
        """The name of the `ordinal`-th pod: the workload's, with its number in a StatefulSet.

        In a Deployment it is the workload's and five characters made from its template.
        """
        if self.naming is not PodNaming.GENERATED:
            return self.name if self.naming is PodNaming.OWN else f"{self.name}-{ordinal}"
        identity = f"{self.namespace}/{self.name}/{self.restart_key}/{ordinal}"
        number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big")
        suffix = ""
        for _ in range(_NAME_LENGTH):
            number, index = divmod(number, len(_NAME_ALPHABET))
            suffix += _NAME_ALPHABET[index]
        return f"{self.name}-{suffix}"


def workload(resource: Resource) -> Workload:
    """The workload of an object that has been loaded, so contains nothing unsupported."""
    naming = _NAMING.get(resource.kind, PodNaming.GENERATED)
    template = _template(resource.body if naming is PodNaming.OWN else resource.spec.get("template") or {})
    metadata, spec = template["metadata"], template["spec"]
    grace_seconds = spec.get("terminationGracePeriodSeconds")
    collector = ProblemCollector(resource.place)
    path = FieldPath("spec") if naming is PodNaming.OWN else FieldPath("spec", "template", "spec")
    claims = _claims(resource)
    declared_volumes = tuple(volume["name"] for volume in spec.get("volumes") or ())
    names = (*declared_volumes, *(claim.name for claim in claims))
    containers, init_containers = (
        tuple(
            container(body, path / kind / index, names, collector)
            for index, body in enumerate(spec.get(kind) or ())
        )
        for kind in ("containers", "initContainers")
    )
    return Workload(
        namespace=resource.namespace,
        name=resource.name,
        replicas=_replicas(resource),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        service_account=spec.get("serviceAccountName")
        or spec.get("serviceAccount")
        or _DEFAULT_SERVICE_ACCOUNT,
        containers=containers,
        init_containers=init_containers,
        volumes=(*volumes(spec, path, collector), *claims),
        termination_grace_seconds=_DEFAULT_GRACE_SECONDS if grace_seconds is None else grace_seconds,
        one_at_a_time=_is_replaced_first(resource),
        restart_key=_restart_key(template),
        resource=resource,
        naming=naming,
        node_selector=spec.get("nodeSelector") or {},
        is_gateway=asks_for_gateway(metadata.get("annotations") or {}) or any(map(runs_router, containers)),
        retries=resource.spec.get("backoffLimit", _BACKOFF_LIMIT) if resource.is_a(JOB) else None,
        problems=tuple(collector.problems),
    )


def _replicas(resource: Resource) -> int:
    """The number of pods: of a Job those that run at the same time."""
    spec = resource.spec
    if resource.is_a(DAEMON_SET):
        return 1
    if resource.is_a(JOB):
        parallelism: int = spec.get("parallelism", 1)
        return 0 if spec.get("suspend") else min(parallelism, spec.get("completions", parallelism))
    replicas: int | None = spec.get("replicas")
    return 1 if replicas is None else replicas


_NAMING = {STATEFUL_SET.name: PodNaming.NUMBERED, POD.name: PodNaming.OWN}


def _template(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a template, or of a pod itself, decides whether there are new pods."""
    metadata = body.get("metadata") or {}
    kept = {name: metadata[name] for name in ("labels", "annotations") if name in metadata}
    return {"metadata": kept, "spec": body.get("spec") or {}}


def _claims(resource: Resource) -> tuple[Volume, ...]:
    """The volumes that a StatefulSet has a claim for in each pod."""
    names = (claim["metadata"]["name"] for claim in resource.spec.get("volumeClaimTemplates") or ())
    return tuple(Volume(name, Claim(name, of_each_pod=True)) for name in names)


def _is_replaced_first(resource: Resource) -> bool:
    """Whether an old pod is stopped before the new one starts: so is one that has its name."""
    strategy = resource.spec.get("strategy") or {}
    return strategy.get("type") == "Recreate" or resource.is_a(DAEMON_SET) or resource.kind in _NAMING


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
