"""Objects of the manifests made into the catalog's own, once for as long as they do not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from localmesh.manifests import Resource

Made = TypeVar("Made")


class ConversionCache:
    """What was made of each object; an object whose body is the same one as before gives the same thing.

    A load reads everything anew; whoever wants unchanged objects to be recognised hands in the bodies that
    it had (see `localmesh.runtime.changes`).
    """

    def __init__(self, before: ConversionCache | None = None) -> None:
        self._before = before._made if before is not None else {}
        self._made: dict[int, tuple[Resource, Any]] = {}

    def of(self, resource: Resource, make: Callable[[Resource], Made]) -> Made:
        """What `make` makes of a resource, or made of it before; each kind has one `make` alone."""
        known = self._before.get(id(resource.body))
        if known is None or known[0].order != resource.order:
            # with the resource, so that its body lives on and no other can come to have the same id
            known = resource, make(resource)
        self._made[id(resource.body)] = known
        made: Made = known[1]
        return made
