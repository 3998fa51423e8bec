"""Workloads: whether a cluster would give them sidecars, and the objects that their pods need."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog import Catalog
from localmesh.catalog.injection import NAMESPACE_LABEL, is_enabled
from localmesh.kinds.kubernetes import NAMESPACE, SERVICE_ACCOUNT
from localmesh.kinds.persistent_volume_claim import PERSISTENT_VOLUME_CLAIM
from localmesh.kinds.workloads import POD, WORKLOADS
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed


def injection(catalog: Catalog) -> Iterator[Problem]:
    """Pods that have a sidecar here and would have none on a cluster, where nothing enables it.

    Only namespaces in the manifests are looked at: any other may have the label in the cluster.
    """
    for namespace in catalog.objects.of(NAMESPACE):
        concerned = [
            workload.name
            for workload in catalog.workloads
            if workload.namespace == namespace.name
            and catalog.is_injected(workload)
            and not is_enabled(namespace.labels, workload.labels)
        ]
        if concerned:
            yield _without_label(namespace, concerned)


def _without_label(namespace: Resource, concerned: list[str]) -> Problem:
    labels = namespace.root.get("metadata", "labels")
    label = labels.get(NAMESPACE_LABEL)
    field = label or labels or namespace.root.get("metadata")
    found = f'the label {NAMESPACE_LABEL} is "{label.value}"' if label else "no label asks for sidecars"
    return field.problem(warnings.NOT_INJECTED, found=found, workloads=listed(concerned))


def required_objects(catalog: Catalog) -> Iterator[Problem]:
    """ServiceAccounts and claims that pods need (ConfigMaps and Secrets are looked up when pods start)."""
    for resource in catalog.objects.of(*WORKLOADS):
        template = resource.root if resource.is_a(POD) else resource.root.get("spec", "template")
        spec = template.get("spec")
        account = spec.get("serviceAccountName")
        needed = [(SERVICE_ACCOUNT, account)] if account.text not in {None, "", "default"} else []
        for volume in spec.get("volumes").items():
            claim = volume.get("persistentVolumeClaim", "claimName")
            if claim.text:
                needed.append((PERSISTENT_VOLUME_CLAIM, claim))
        for kind, name in needed:
            if catalog.objects.named(kind, resource.namespace, name.text or "") is None:
                yield name.problem(warnings.MISSING_OBJECT, kind=kind.name, hint="")
