"""The objects that differ between two sets of manifests, and their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.diff.edits import Edit, edits, masked
from localmesh.kinds.config_map import SECRET
from localmesh.manifests import LoadResult, Resource

_SECRET_FIELDS = ("data", "stringData")


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object that was ``added``, ``changed`` or ``removed``, and the fields that differ."""

    verb: str
    subject: str
    fields: tuple[Edit, ...] = ()


def object_changes(before: LoadResult, after: LoadResult) -> Iterator[ObjectChange]:
    """The objects that differ, also those without an effect here, in the order of the second set."""
    old, new = (_by_identity((*loaded.resources, *loaded.ignored)) for loaded in (before, after))
    for identity, resource in new.items():
        known = old.get(identity)
        if known is None:
            yield ObjectChange("added", resource.place.subject)
            continue
        fields = tuple(edits(_body(known), _body(resource)))
        if resource.is_a(SECRET):
            fields = tuple(masked(edit) if _is_secret(edit) else edit for edit in fields)
        if fields:
            yield ObjectChange("changed", resource.place.subject, fields)
    for identity, resource in old.items():
        if identity not in new:
            yield ObjectChange("removed", resource.place.subject)


def _is_secret(edit: Edit) -> bool:
    """Whether a field of a Secret has its content; kubectl writes that into an annotation as well."""
    return edit.path[0] in _SECRET_FIELDS or edit.path[:2] == ("metadata", "annotations")


def _by_identity(resources: Iterable[Resource]) -> dict[tuple[str, ...], Resource]:
    return {
        (resource.group, resource.kind, resource.namespace, resource.name): resource for resource in resources
    }


def _body(resource: Resource) -> Mapping[str, Any]:
    """The object with its namespace, whether that is written or not."""
    metadata = {**(resource.body.get("metadata") or {}), "namespace": resource.namespace}
    return {**resource.body, "metadata": metadata}
