"""Security policies that select no workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher

from localmesh.catalog import Catalog
from localmesh.catalog.security import policy_scope
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.peer_authentication import PEER_AUTHENTICATION
from localmesh.kinds.request_authentication import REQUEST_AUTHENTICATION
from localmesh.problems import Problem
from localmesh.problems.codes import warnings

_KINDS = (AUTHORIZATION_POLICY, PEER_AUTHENTICATION, REQUEST_AUTHENTICATION)
_MOST_CANDIDATES = 200
"""Among more workloads the nearest is not looked for: it takes 0.1 ms for each pair."""


def policies(catalog: Catalog) -> Iterator[Problem]:
    """Policies whose selector matches no workload in their reach."""
    for resource in catalog.objects.of(*_KINDS):
        scope = policy_scope(resource)
        reach = {name: labels for name, namespace, labels in _pods(catalog) if scope.reaches(namespace)}
        if not scope.labels or not reach or any(map(scope.selects, reach.values())):
            continue
        wanted = resource.root.get("spec", "selector", "matchLabels")
        yield wanted.problem(
            warnings.POLICY_WITHOUT_PODS, found=_shown(scope.labels), known=_nearest(scope.labels, reach)
        )


def _pods(catalog: Catalog) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    """Name, namespace and labels of everything that a policy can select."""
    for workload in catalog.workloads:
        yield workload.place.subject, workload.namespace, workload.labels
    for gateway in catalog.gateways:
        yield f"the gateway {gateway.name}", gateway.namespace, gateway.labels


def _nearest(wanted: Mapping[str, str], reach: Mapping[str, Mapping[str, str]]) -> str:
    """The workload whose labels are most like those that are wanted, in half a sentence."""
    if len(reach) > _MOST_CANDIDATES:
        return f"none of {len(reach)} workloads is near"
    name = max(reach, key=lambda candidate: _likeness(wanted, reach[candidate]))
    keys = [key for key in wanted if key in reach[name]]
    labels = {key: reach[name][key] for key in keys} or reach[name]
    return f"nearest is {name} with {_shown(labels)}"


def _likeness(wanted: Mapping[str, str], labels: Mapping[str, str]) -> float:
    matcher = SequenceMatcher()
    likeness = 0.0
    for label in wanted.items():
        matcher.set_seq2("=".join(label))
        ratios = []
        for candidate in labels.items():
            matcher.set_seq1("=".join(candidate))
            ratios.append(matcher.ratio())
        likeness += max(ratios, default=0.0)
    return likeness


def _shown(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no labels"
