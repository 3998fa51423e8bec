"""Sidecar resources: how much of the mesh the pods of a namespace see (Istio, "Sidecar")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localmesh.catalog.destination_rules import ROOT_NAMESPACE
from localmesh.catalog.hosts import is_within, matches
from localmesh.catalog.policy_scope import oldest_first
from localmesh.manifests import Resource

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Import:
    """An entry of `egress.hosts`: hosts of a namespace; excluded where ``~`` came first.

    The namespace is ``*`` for all, and ``.`` for that of the pod, also in a Sidecar of the root namespace.
    """

    namespace: str
    host: str
    is_excluded: bool = False

    def concerns(self, namespace: str, pod_namespace: str) -> bool:
        """Whether objects of a namespace are meant, for pods of `pod_namespace`."""
        return self.namespace in (namespace, _ALL) or (self.namespace == "." and namespace == pod_namespace)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """One object: whom it is for, what they see, and whether hosts unknown to the mesh may be called."""

    namespace: str
    labels: Mapping[str, str]
    imports: tuple[Import, ...]
    allows_unknown: bool

    def sees_service(self, host: str, namespace: str, pod_namespace: str) -> bool:
        """Whether pods of a namespace import a Service of another."""
        imports = (each for each in self.imports if each.concerns(namespace, pod_namespace))
        own = [each for each in imports if is_within(host, each.host)]
        return bool(own) and not any(each.is_excluded for each in own)

    def sees_virtual_service(self, hosts: Iterable[str], namespace: str, pod_namespace: str) -> bool:
        """Whether pods of a namespace import a VirtualService of another: one common host is enough."""
        imports = [each for each in self.imports if each.concerns(namespace, pod_namespace)]
        return any(_sees(imports, host) for host in hosts)


def _sees(imports: Iterable[Import], host: str) -> bool:
    imports = tuple(imports)
    if any(each.is_excluded and is_within(host, each.host) for each in imports):
        return False
    return any(not each.is_excluded and matches(each.host, host) for each in imports)


def sidecars(resources: Iterable[Resource]) -> tuple[Sidecar, ...]:
    """The Sidecars among these resources, oldest first."""
    return tuple(_sidecar(resource) for resource in oldest_first(resources, "Sidecar"))


def sidecar_for(found: Iterable[Sidecar], namespace: str, labels: Mapping[str, str]) -> Sidecar | None:
    """The one that holds for a pod: by its labels, else its namespace's, else the root namespace's."""
    found = tuple(found)
    own = [each for each in found if each.namespace == namespace]
    selected = [each for each in own if each.labels and each.labels.items() <= labels.items()]
    wide = [each for each in own if not each.labels]
    mesh_wide = [each for each in found if each.namespace == ROOT_NAMESPACE and not each.labels]
    return next(iter((*selected, *wide, *mesh_wide)), None)


def _sidecar(resource: Resource) -> Sidecar:
    spec = resource.spec
    # a Sidecar does not take over what a wider one says about unknown hosts
    policy = spec.get("outboundTrafficPolicy")
    written = [host for listener in spec.get("egress") or () for host in listener.get("hosts") or ()]
    return Sidecar(
        namespace=resource.namespace,
        labels=dict((spec.get("workloadSelector") or {}).get("labels") or {}),
        imports=tuple(_import(host) for host in written or ["*/*"]),
        # the block without a mode means REGISTRY_ONLY, the absent block ALLOW_ANY
        allows_unknown=policy is None or policy.get("mode") == "ALLOW_ANY",
    )


def _import(host: str) -> Import:
    namespace, _, name = host.partition("/")
    is_excluded = namespace.startswith("~")
    namespace = namespace.removeprefix("~") or _ALL if is_excluded else namespace
    return Import(namespace, name.lower(), is_excluded)
