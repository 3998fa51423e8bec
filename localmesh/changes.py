"""What an apply changes: objects added, changed and removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from localmesh.manifests import Resource

ObjectKey = tuple[str, str, str, str]
"""API group, kind, namespace and name."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Objects by what happened to them, each as ``Kind namespace/name``."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def key(resource: Resource) -> ObjectKey:
    """What makes two manifests mean the same object."""
    return (resource.group, resource.kind, resource.namespace, resource.name)


def changes(before: Iterable[Resource], after: Iterable[Resource]) -> Changes:
    """How to get from one set of objects to another."""
    old = {key(resource): resource for resource in before}
    new = {key(resource): resource for resource in after}
    return Changes(
        added=tuple(new[each].place.subject for each in new if each not in old),
        changed=tuple(
            new[each].place.subject for each in new if each in old and new[each].body != old[each].body
        ),
        removed=tuple(old[each].place.subject for each in old if each not in new),
    )


def merged(before: Iterable[Resource], added: Iterable[Resource]) -> list[Resource]:
    """The objects of `before` with those of `added` put in or in place of them."""
    found = {key(resource): resource for resource in before}
    return list((found | {key(resource): resource for resource in added}).values())


class Ages:
    """Gives every object its place in time: older objects win in Istio, and a changed one stays as old."""

    def __init__(self) -> None:
        self._ages: dict[ObjectKey, int] = {}
        self._next = 0

    def ordered(self, resources: Iterable[Resource]) -> list[Resource]:
        """The same objects with the order in which they first came; what is gone is forgotten."""
        resources = list(resources)
        ages: dict[ObjectKey, int] = {}
        for resource in resources:
            each = key(resource)
            ages[each] = self._ages.get(each, self._next)
            self._next = max(self._next, ages[each] + 1)
        self._ages = ages
        return [replace(resource, order=self._ages[key(resource)]) for resource in resources]


def counts(resources: Iterable[Resource]) -> Mapping[str, int]:
    """How many objects there are of each kind."""
    out: dict[str, int] = {}
    for resource in resources:
        out[resource.kind] = out.get(resource.kind, 0) + 1
    return dict(sorted(out.items()))
