"""The objects that a catalog is made of, by kind and by name."""

from __future__ import annotations

from collections.abc import Iterable

from localmesh.kinds import Kind
from localmesh.manifests import Resource
from localmesh.problems import Place


class Objects:
    """The objects of a mesh as they were read, each kind oldest first."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_kind: dict[tuple[str, str], list[Resource]] = {}
        for resource in resources:
            self._by_kind.setdefault((resource.group, resource.kind), []).append(resource)
        for of_kind in self._by_kind.values():
            of_kind.sort(key=lambda resource: resource.order)
        self._by_name: dict[tuple[str, str, str, str], Resource] = {}

    def of(self, *kinds: Kind) -> list[Resource]:
        """The objects of these kinds; where Istio has to choose between two, the older one counts."""
        return [resource for kind in kinds for resource in self._by_kind.get((kind.group, kind.name), ())]

    def namespaces(self) -> set[str]:
        """The namespaces of all objects that have one."""
        return {item.namespace for of_kind in self._by_kind.values() for item in of_kind if item.namespace}

    def named(self, kind: Kind, namespace: str, name: str) -> Resource | None:
        """The object of that kind, namespace and name, or None."""
        if not self._by_name:  # built on demand: translation never asks for an object by its name
            self._by_name = {
                (resource.group, resource.kind, resource.namespace, resource.name): resource
                for of_kind in self._by_kind.values()
                for resource in of_kind
            }
        return self._by_name.get((kind.group, kind.name, namespace, name))

    def at(self, place: Place) -> Resource | None:
        """The object that is written at a place, or None."""
        of_kind = self._by_kind.get((place.group, place.kind), ())
        key = (place.namespace, place.name)
        return next((item for item in of_kind if (item.namespace, item.name) == key), None)
