"""Which kinds there are and what becomes of each in a mesh without a cluster.

The table is easy to change: a kind that gets translated moves from REFUSED to TRANSLATED.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from localmesh.problems import Place, Problem
from localmesh.problems.codes import syntax, unsupported
from localmesh.problems.fields import quoted

_ISTIO = ("networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3")
_SECURITY = ("security.istio.io/v1", "security.istio.io/v1beta1")

TRANSLATED: Mapping[str, tuple[str, ...]] = {
    "AuthorizationPolicy": _SECURITY,
    "ConfigMap": ("v1",),
    "Deployment": ("apps/v1",),
    "DestinationRule": _ISTIO,
    "Gateway": _ISTIO,
    "Namespace": ("v1",),
    "PeerAuthentication": _SECURITY,
    "PersistentVolumeClaim": ("v1",),
    "RequestAuthentication": _SECURITY,
    "Secret": ("v1",),
    "Service": ("v1",),
    "ServiceAccount": ("v1",),
    "ServiceEntry": _ISTIO,
    "Sidecar": _ISTIO,
    "VirtualService": _ISTIO,
}
"""Kinds that localmesh acts on, with the apiVersions it reads."""

IGNORED: Mapping[str, tuple[str, ...]] = {
    "ClusterRole": ("rbac.authorization.k8s.io/v1",),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1",),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "autoscaling/v1"),
    "IngressClass": ("networking.k8s.io/v1",),
    "LimitRange": ("v1",),
    "NetworkPolicy": ("networking.k8s.io/v1",),
    "PersistentVolume": ("v1",),
    "PodDisruptionBudget": ("policy/v1",),
    "PriorityClass": ("scheduling.k8s.io/v1",),
    "ResourceQuota": ("v1",),
    "Role": ("rbac.authorization.k8s.io/v1",),
    "RoleBinding": ("rbac.authorization.k8s.io/v1",),
    "StorageClass": ("storage.k8s.io/v1",),
    "Telemetry": ("telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1"),
}
"""Kinds without a meaning here: they are about nodes, quotas, the API server, and what proxies report
(Telemetry), which changes no answer. Checked and listed."""

REFUSED: Mapping[str, tuple[str, ...]] = {
    "CronJob": ("batch/v1",),
    "DaemonSet": ("apps/v1",),
    "EndpointSlice": ("discovery.k8s.io/v1",),
    "Endpoints": ("v1",),
    "EnvoyFilter": ("networking.istio.io/v1alpha3",),
    "Ingress": ("networking.k8s.io/v1",),
    "Job": ("batch/v1",),
    "Pod": ("v1",),
    "ProxyConfig": ("networking.istio.io/v1beta1",),
    "ReplicaSet": ("apps/v1",),
    "ReplicationController": ("v1",),
    "StatefulSet": ("apps/v1",),
    "TrafficExtension": ("extensions.istio.io/v1alpha1",),
    "WasmPlugin": ("extensions.istio.io/v1alpha1",),
    "WorkloadEntry": _ISTIO,
    "WorkloadGroup": _ISTIO,
}
"""Kinds that change what the mesh does and that localmesh does not translate yet."""

CLUSTER_WIDE = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "IngressClass",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "StorageClass",
    }
)
"""Kinds whose objects are in no namespace."""

ELSEWHERE: Mapping[str, str] = {
    "argoproj.io/": "; Argo Rollouts acts on it, which runs on a cluster",
    "flagger.app/": "; Flagger acts on it, which runs on a cluster",
    "gateway.networking.k8s.io/": "; it reads Istio's own Gateway and VirtualService",
}
"""API groups of others, with the reason why their kinds are refused."""

REMOVED: Mapping[tuple[str, str], str] = {
    ("apps/v1beta1", "Deployment"): "Kubernetes 1.16",
    ("apps/v1beta1", "StatefulSet"): "Kubernetes 1.16",
    ("apps/v1beta2", "DaemonSet"): "Kubernetes 1.16",
    ("apps/v1beta2", "Deployment"): "Kubernetes 1.16",
    ("apps/v1beta2", "ReplicaSet"): "Kubernetes 1.16",
    ("apps/v1beta2", "StatefulSet"): "Kubernetes 1.16",
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): "Kubernetes 1.25",
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): "Kubernetes 1.26",
    ("batch/v1beta1", "CronJob"): "Kubernetes 1.25",
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): "Kubernetes 1.25",
    ("extensions/v1beta1", "DaemonSet"): "Kubernetes 1.16",
    ("extensions/v1beta1", "Deployment"): "Kubernetes 1.16",
    ("extensions/v1beta1", "Ingress"): "Kubernetes 1.22",
    ("extensions/v1beta1", "NetworkPolicy"): "Kubernetes 1.16",
    ("extensions/v1beta1", "ReplicaSet"): "Kubernetes 1.16",
    ("networking.k8s.io/v1beta1", "Ingress"): "Kubernetes 1.22",
    ("networking.k8s.io/v1beta1", "IngressClass"): "Kubernetes 1.22",
    ("policy/v1beta1", "PodDisruptionBudget"): "Kubernetes 1.25",
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRole"): "Kubernetes 1.22",
    ("rbac.authorization.k8s.io/v1beta1", "ClusterRoleBinding"): "Kubernetes 1.22",
    ("rbac.authorization.k8s.io/v1beta1", "Role"): "Kubernetes 1.22",
    ("rbac.authorization.k8s.io/v1beta1", "RoleBinding"): "Kubernetes 1.22",
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): "Kubernetes 1.22",
    ("storage.k8s.io/v1beta1", "StorageClass"): "Kubernetes 1.22",
}
"""Versions once served, and the release that dropped them (the Kubernetes deprecation guide)."""

_VERSIONS: Mapping[str, tuple[str, ...]] = {**TRANSLATED, **IGNORED, **REFUSED}


def is_ignored(kind: str) -> bool:
    """Whether objects of the kind are read, checked, and then left aside."""
    return kind in IGNORED


def kind_problems(api_version: str, kind: str, place: Place) -> Iterator[Problem]:
    """Why an object of this kind cannot be used; nothing if it can."""
    reason = next((reason for group, reason in ELSEWHERE.items() if api_version.startswith(group)), None)
    if reason is not None:
        yield unsupported.KIND_NOT_SUPPORTED.at(place, kind=kind, group=api_version, reason=reason)
    elif api_version in _VERSIONS.get(kind, ()):
        if kind in REFUSED:
            yield unsupported.KIND_NOT_SUPPORTED.at(place, kind=kind, group=api_version, reason=" yet")
    elif (api_version, kind) in REMOVED:
        yield syntax.REMOVED_VERSION.at(
            place,
            found=quoted(api_version),
            kind=kind,
            release=REMOVED[api_version, kind],
            current=_VERSIONS[kind][0],
        )
    else:
        yield syntax.UNKNOWN_KIND.at(
            place, found=quoted(kind), api_version=quoted(api_version), remedy=_remedy(api_version, kind)
        )


def is_translated(kind: str) -> bool:
    """Whether localmesh acts on objects of the kind."""
    return kind in TRANSLATED


def is_known(api_version: str, kind: str) -> bool:
    """Whether there is a schema to check such an object with."""
    return api_version in _VERSIONS.get(kind, ())


def _remedy(api_version: str, kind: str) -> str:
    if kind == "Kustomization":
        return "name the folder with -k instead of reading this file with -f"
    if kind in _VERSIONS:
        return f"write apiVersion: {_VERSIONS[kind][0]}"
    group = [name for name, versions in _VERSIONS.items() if api_version in versions]
    if close := get_close_matches(kind, group, n=1):
        return f"write kind: {close[0]}"
    return "leave the object away for the local run"
