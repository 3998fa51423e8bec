"""Pods that have a sidecar here and would have none on a cluster, since nobody asks for it there."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.world import World
from localmesh.catalog.injection import NAMESPACE_LABEL, is_asked, is_refused
from localmesh.manifests.resources import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed


def injection(world: World) -> Iterator[Problem]:
    """All namespaces that are written down: one that is not may have the label in the cluster."""
    for namespace in world.all("Namespace"):
        concerned = [
            pods.resource.name
            for pods in world.pods_in(namespace.name)
            if not is_refused(namespace.labels, pods.labels, pods.annotations)
            and not is_asked(namespace.labels, pods.labels)
        ]
        if concerned:
            yield _without_label(namespace, concerned)


def _without_label(namespace: Resource, concerned: list[str]) -> Problem:
    labels = namespace.root.get("metadata", "labels")
    label = labels.get(NAMESPACE_LABEL)
    field = label or labels or namespace.root.get("metadata")
    found = f'the label {NAMESPACE_LABEL} is "{label.value}"' if label else "no label asks for sidecars"
    return field.problem(warnings.NOT_INJECTED, found=found, workloads=listed(concerned))
