"""Objects of the Gateway API that have no effect, or not all of it: what their status says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.catalog import Catalog
from localmesh.kinds.gateway_api import (
    BACKEND_TLS_POLICY,
    KUBERNETES_GATEWAY,
    LISTENER_SET,
    ROUTES,
)
from localmesh.manifests import Resource
from localmesh.problems import FieldPath, Problem
from localmesh.problems.codes import warnings

Json = Mapping[str, Any]

_OF_OTHER_CHECKS = frozenset({"BackendNotFound"})
"""Reasons that SM201 is about."""
_FURTHER = ("Conflicted",)
"""Conditions that are false where all is well."""


def gateway_api(catalog: Catalog) -> Iterator[Problem]:
    """Conditions that do not hold, and routes that nothing takes."""
    for resource in catalog.objects.of(KUBERNETES_GATEWAY, LISTENER_SET, *ROUTES, BACKEND_TLS_POLICY):
        status = catalog.gateway_api.status_of(resource)
        if status is None:
            continue  # another controller's
        seen: set[str] = set()
        for path, condition in _failing(resource, status):
            if condition["reason"] not in _OF_OTHER_CHECKS and condition["message"] not in seen:
                seen.add(condition["message"])
                yield warnings.CONDITION_FALSE.at(
                    resource.place,
                    path,
                    condition=condition["type"],
                    reason=condition["reason"],
                    words=condition["message"],
                )


def _failing(resource: Resource, status: Json) -> Iterator[tuple[FieldPath, Json]]:
    """The conditions that do not hold, each with the field that it is about."""
    for condition in status.get("conditions", ()):
        yield from _if_false(FieldPath("spec"), condition)
    for index, listener in enumerate(status.get("listeners", ())):
        for condition in listener["conditions"]:
            yield from _if_false(FieldPath("spec", "listeners", index), condition)
    for parent in status.get("parents", ()):
        for condition in parent["conditions"]:
            yield from _if_false(_reference(resource, parent["parentRef"]), condition)
    for ancestor in status.get("ancestors", ()):
        for condition in ancestor["conditions"]:
            yield from _if_false(FieldPath("spec", "targetRefs"), condition)


def _if_false(path: FieldPath, condition: Json) -> Iterator[tuple[FieldPath, Json]]:
    if condition["status"] == "False" and condition["type"] not in _FURTHER:
        yield path, condition


def _reference(resource: Resource, reference: Json) -> FieldPath:
    """Where a route refers to a parent."""
    parents = resource.spec.get("parentRefs") or ()
    index = next((i for i, parent in enumerate(parents) if dict(parent).items() <= reference.items()), 0)
    return FieldPath("spec", "parentRefs", index)
