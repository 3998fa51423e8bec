"""The difference between two sets of objects, and how unchanged objects are recognised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from localmesh.manifests import Resource
from localmesh.manifests.mesh_config import FROM_OPTION, has_mesh_settings

ObjectKey = tuple[str, str, str, str]
"""API group, kind, namespace and name."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The added, changed and removed objects, each as ``Kind namespace/name``."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def key(resource: Resource) -> ObjectKey:
    """What identifies an object."""
    return (resource.group, resource.kind, resource.namespace, resource.name)


def changes(before: Mapping[ObjectKey, Resource], after: Mapping[ObjectKey, Resource]) -> Changes:
    """The difference between two sets of objects, the second being the result of `carry_over`."""
    pairs = [(before.get(identity), resource) for identity, resource in after.items()]
    return Changes(
        added=tuple(new.place.subject for old, new in pairs if old is None),
        changed=tuple(
            new.place.subject for old, new in pairs if old is not None and new.body is not old.body
        ),
        removed=tuple(old.place.subject for identity, old in before.items() if identity not in after),
    )


def merged(before: Iterable[Resource], added: Iterable[Resource]) -> list[Resource]:
    """The objects of `before`, with those of `added` added or replaced."""
    objects = {key(resource): resource for resource in before}
    return list((objects | {key(resource): resource for resource in added}).values())


def with_mesh_settings(before: Iterable[Resource], given: Sequence[Resource]) -> tuple[Resource, ...]:
    """The given objects, with the mesh-wide settings that a mesh has from `--mesh-config`.

    These belong to the mesh and not to the kustomization that it runs, as on a cluster to Istio.
    """
    kept = () if any(map(has_mesh_settings, given)) else before
    return (*given, *(item for item in kept if FROM_OPTION in item.annotations))


def carry_over(
    before: Mapping[ObjectKey, Resource], resources: Iterable[Resource]
) -> dict[ObjectKey, Resource]:
    """The new objects by identity, with the age of the previous ones.

    In Istio older objects win, and a changed object keeps its age. An unchanged object keeps its body object,
    so that the caches recognise it by identity, without comparing contents.
    """
    youngest = max((resource.order for resource in before.values()), default=-1)
    created = max((resource.created for resource in before.values()), default=-1) + 1
    objects: dict[ObjectKey, Resource] = {}
    for resource in resources:
        identity = key(resource)
        known = before.get(identity)
        if known is None:
            youngest += 1
            objects[identity] = replace(resource, order=youngest, created=created)
        elif known is resource:  # as for all objects that a partial apply does not contain
            objects[identity] = known
        elif known.body != resource.body:
            objects[identity] = replace(resource, order=known.order, created=known.created)
        elif known.place != resource.place:
            objects[identity] = replace(resource, order=known.order, created=known.created, body=known.body)
        else:
            objects[identity] = known
    return objects


def counts(resources: Iterable[Resource]) -> Mapping[str, int]:
    """How many objects there are of each kind; kinds that share a name get their group behind it."""
    numbers = Counter((resource.kind, resource.group) for resource in resources)
    groups = Counter(kind for kind, _ in numbers)
    return {
        kind if groups[kind] == 1 else f"{kind}.{group}": number
        for (kind, group), number in sorted(numbers.items())
    }
