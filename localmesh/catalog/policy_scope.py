"""Which workloads a policy is for: those that its selector means in its namespace, or in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localmesh.catalog.destination_rules import ROOT_NAMESPACE
from localmesh.manifests import Resource


@dataclass(frozen=True, slots=True)
class PolicyScope:
    """Where a policy is and which labels it asks for; none mean every workload in reach.

    A policy in the root namespace reaches all namespaces, any other its own
    (Istio, "Authorization Policy", `selector`).
    """

    namespace: str
    labels: Mapping[str, str]

    def includes(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a workload with these labels is in it."""
        return self.namespace in (namespace, ROOT_NAMESPACE) and self.selects(labels)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels are those that are asked for, wherever the workload is."""
        return all(labels.get(key) == value for key, value in self.labels.items())


def scope(policy: Resource) -> PolicyScope:
    """The scope of a policy with a `selector`."""
    selector = policy.spec.get("selector") or {}
    return PolicyScope(policy.namespace, dict(selector.get("matchLabels") or {}))


def oldest_first(resources: Iterable[Resource], kind: str) -> list[Resource]:
    """The objects of a kind in the order in which they count."""
    return sorted((each for each in resources if each.kind == kind), key=lambda each: each.order)
