"""The workloads beside Deployments: their records, and what Kubernetes requires of them (apps/validation)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.deployment import DEPLOYMENT, TEMPLATE, pods, replicas, restart_policy, selector
from localmesh.kinds.jobs import JOB
from localmesh.kinds.kind import Kind
from localmesh.kinds.rules.pod import POD_RULES
from localmesh.kinds.rules.pod_support import PodTemplate
from localmesh.problems import Problem
from localmesh.problems.fields import Field

_ALONE = PodTemplate()
_ROLLOUTS = "it only paces rollouts"
_REVISIONS = "revisions are not kept"


def pod(root: Field) -> Iterator[Problem]:
    """A pod by itself."""
    for rule in POD_RULES:
        yield from rule(root.get("spec"))


STATEFUL_SET = Kind(
    group="apps",
    name="StatefulSet",
    versions=("v1",),
    plural="statefulsets",
    short_names=("sts",),
    rules=(replicas, selector, restart_policy, pods),
    removed={"apps/v1beta1": "Kubernetes 1.16", "apps/v1beta2": "Kubernetes 1.16"},
    unsupported_fields={
        "spec.ordinals": "remove it: pods are numbered from 0",
        **TEMPLATE.unsupported_fields,
    },
    support_rules=TEMPLATE.rules,
    ineffective_fields={
        "spec.minReadySeconds": _ROLLOUTS,
        "spec.persistentVolumeClaimRetentionPolicy": "claims are kept as long as the state folder",
        "spec.podManagementPolicy": "pods start at the same time",
        "spec.revisionHistoryLimit": _REVISIONS,
        "spec.serviceName": "the names of pods are those below every headless Service",
        "spec.updateStrategy": _ROLLOUTS,
        "spec.volumeClaimTemplates[].spec": "every claim is a folder",
        **TEMPLATE.ineffective_fields,
    },
)
DAEMON_SET = Kind(
    group="apps",
    name="DaemonSet",
    versions=("v1",),
    plural="daemonsets",
    short_names=("ds",),
    rules=(selector, restart_policy, pods),
    removed={"apps/v1beta2": "Kubernetes 1.16", "extensions/v1beta1": "Kubernetes 1.16"},
    unsupported_fields=TEMPLATE.unsupported_fields,
    support_rules=TEMPLATE.rules,
    ineffective_fields={
        "spec.minReadySeconds": _ROLLOUTS,
        "spec.revisionHistoryLimit": _REVISIONS,
        "spec.updateStrategy": _ROLLOUTS,
        **TEMPLATE.ineffective_fields,
    },
)
REPLICA_SET = Kind(
    group="apps",
    name="ReplicaSet",
    versions=("v1",),
    plural="replicasets",
    short_names=("rs",),
    rules=(replicas, selector, restart_policy, pods),
    removed={"apps/v1beta2": "Kubernetes 1.16", "extensions/v1beta1": "Kubernetes 1.16"},
    unsupported_fields=TEMPLATE.unsupported_fields,
    support_rules=TEMPLATE.rules,
    ineffective_fields={"spec.minReadySeconds": _ROLLOUTS, **TEMPLATE.ineffective_fields},
)
POD = Kind(
    group="",
    name="Pod",
    versions=("v1",),
    plural="pods",
    short_names=("po",),
    rules=(pod,),
    unsupported_fields=_ALONE.unsupported_fields,
    support_rules=_ALONE.rules,
    supported_values={"spec.restartPolicy": ("Always",)},
    ineffective_fields=_ALONE.ineffective_fields,
)

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, POD, JOB)
"""The kinds whose pods run."""
