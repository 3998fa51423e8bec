"""What an apply changes: objects added, changed and removed."""

from __future__ import annotations

from collections import Counter
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


def changes(before: Mapping[ObjectKey, Resource], after: Mapping[ObjectKey, Resource]) -> Changes:
    """How to get from one set of objects to another, of which the second was `carry_over` by the first."""
    pairs = [(before.get(each), resource) for each, resource in after.items()]
    return Changes(
        added=tuple(new.place.subject for old, new in pairs if old is None),
        changed=tuple(
            new.place.subject for old, new in pairs if old is not None and new.body is not old.body
        ),
        removed=tuple(before[each].place.subject for each in before if each not in after),
    )


def merged(before: Iterable[Resource], added: Iterable[Resource]) -> list[Resource]:
    """The objects of `before` with those of `added` put in or in place of them."""
    found = {key(resource): resource for resource in before}
    return list((found | {key(resource): resource for resource in added}).values())


def carry_over(
    before: Mapping[ObjectKey, Resource], resources: Iterable[Resource]
) -> dict[ObjectKey, Resource]:
    """The objects by what makes them the same, each with its place in time.

    Older objects win in Istio, and a changed one stays as old. An object that is as it was before has the
    very body that it had, by which everybody can recognise it without looking into it.
    """
    youngest = max((resource.order for resource in before.values()), default=-1)
    found: dict[ObjectKey, Resource] = {}
    for resource in resources:
        each = key(resource)
        known = before.get(each)
        if known is None:
            youngest += 1
            found[each] = replace(resource, order=youngest)
        elif known is resource:  # as it is for all that another apply does not name
            found[each] = known
        elif known.body != resource.body:
            found[each] = replace(resource, order=known.order)
        elif known.place != resource.place:
            found[each] = replace(resource, order=known.order, body=known.body)
        else:
            found[each] = known
    return found


def counts(resources: Iterable[Resource]) -> Mapping[str, int]:
    """How many objects there are of each kind; kinds that share a name get their group behind it."""
    numbers = Counter((resource.kind, resource.group) for resource in resources)
    groups = Counter(kind for kind, _ in numbers)
    return {
        kind if groups[kind] == 1 else f"{kind}.{group}": number
        for (kind, group), number in sorted(numbers.items())
    }
