"""A Kubernetes or Istio object as it was read, with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from localmesh.kinds import Kind
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.fields import Field

if TYPE_CHECKING:
    from localmesh.manifests.positions import Source


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One object of the manifests; its body is plain data and never changed.

    `namespace` is "default" for namespaced objects without one, and "" for cluster-scoped kinds. `order` is
    the position in the input; it stands for the creation time, by which Istio decides between objects.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    body: Mapping[str, Any]
    place: Place
    order: int
    origins: Mapping[FieldPath, tuple[Resource, FieldPath]] = field(default_factory=dict, repr=False)
    """Of an object that is derived from others: where its parts are written."""
    created: int = 0
    """The number of the apply that created it: its objects are of equal age where Istio counts in seconds."""

    def origin(self, path: FieldPath) -> tuple[Resource, FieldPath]:
        """The object of the manifests and its field that a field of this one is from."""
        for length in range(len(path), -1, -1):
            found = self.origins.get(FieldPath(*path[:length]))
            if found is not None:
                return found
        return self, path

    def is_a(self, kind: Kind) -> bool:
        """Whether this is an object of the kind: group and name decide, for two groups may share a name."""
        return self.kind == kind.name and self.group == kind.group

    @property
    def group(self) -> str:
        """The API group, "" for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The API version without its group."""
        return self.api_version.rpartition("/")[2]

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec, empty where there is none."""
        return self.body.get("spec") or {}

    @property
    def data(self) -> Mapping[str, str]:
        """The data of a ConfigMap or Secret, empty where there is none."""
        return self.body.get("data") or {}

    @property
    def root(self) -> Field:
        """The whole object as a field, for access to its fields."""
        return Field(self.body, self.place)


def of_kind(resources: Iterable[Resource], kind: Kind) -> list[Resource]:
    """The objects of a kind, in their order."""
    return [resource for resource in resources if resource.is_a(kind)]


def without_nulls(resource: Resource) -> Resource:
    """The same object without null fields, which Kubernetes treats as absent."""
    return replace(
        resource,
        labels=without_null_fields(resource.labels),
        annotations=without_null_fields(resource.annotations),
        body=without_null_fields(resource.body),
    )


def without_null_fields(value: Any) -> Any:
    """A copy of plain data without the fields that are null."""
    if isinstance(value, dict):
        return {key: without_null_fields(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_null_fields(entry) for entry in value]
    return value


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The objects that were read, and those of kinds that localmesh ignores.

    `sources` tells for each object where it was read; `warnings` are about objects that others replace.
    """

    resources: tuple[Resource, ...]
    ignored: tuple[Resource, ...] = ()
    sources: Mapping[Place, Source] = field(default_factory=dict, repr=False, compare=False)
    warnings: tuple[Problem, ...] = ()
