"""Converts objects of the manifests into the catalog's own, once for as long as they do not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from localmesh.manifests import Resource

Made = TypeVar("Made")


class ConversionCache:
    """Conversion results by object; an object with the same body, age and place gives the same result.

    Every load reads all files again. To have unchanged objects recognised, hand in the bodies of the load
    before (see `localmesh.runtime.changes`).
    """

    def __init__(self, before: ConversionCache | None = None) -> None:
        self._before = before._made if before is not None else {}
        self._made: dict[int, tuple[Resource, Any]] = {}

    def of(self, resource: Resource, make: Callable[[Resource], Made]) -> Made:
        """The result of `make` for a resource, now or before; each kind must have only one `make`."""
        known = self._before.get(id(resource.body))
        if known is None or not _is_same(known[0], resource):
            # kept with the resource: while its body is alive no other object can have the same id
            known = resource, make(resource)
        self._made[id(resource.body)] = known
        made: Made = known[1]
        return made


def _is_same(known: Resource, resource: Resource) -> bool:
    return known is resource or (known.order == resource.order and known.place == resource.place)
