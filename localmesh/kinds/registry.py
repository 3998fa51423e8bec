"""All kinds, found from the files of this folder, and how to look one up."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from localmesh.kinds.kind import Kind, Status

_SIMILAR = 0.8

FOREIGN_GROUPS: Mapping[str, str] = {
    "argoproj.io": "it is for Argo Rollouts, which runs on a cluster",
    "flagger.app": "it is for Flagger, which runs on a cluster",
}
"""API groups of other projects, with the reason why their kinds are not supported."""


def _kinds() -> Iterator[Kind]:
    """The kinds that the modules of this package define, in alphabetical order of the modules."""
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        name = f"{__package__}.{info.name}"
        if not info.ispkg and name != __name__:
            yield from (
                kind for kind in vars(importlib.import_module(name)).values() if isinstance(kind, Kind)
            )


KINDS: Mapping[tuple[str, str], Kind] = {(kind.group, kind.name): kind for kind in _kinds()}
"""Every kind by its group and name."""


def belongs_to_other_project(api_version: str, name: str) -> bool:
    """Whether an object is of a kind that neither Kubernetes nor Istio defines: a custom resource.

    A group that is spelled almost like one of those that have a kind of this name is a mistake instead.

    >>> belongs_to_other_project("ray.io/v1", "RayCluster")
    True
    >>> belongs_to_other_project("network.istio.io/v1", "VirtualService")
    False
    """
    group = group_of(api_version)
    known = {kind.group for kind in KINDS.values()} | {"istio.io", "k8s.io"}
    is_custom = "." in group and group not in known and not group.endswith((".k8s.io", ".istio.io"))
    groups_of_name = [kind.group for kind in KINDS.values() if kind.name == name and kind.group]
    return is_custom and not get_close_matches(group, groups_of_name, cutoff=_SIMILAR)


def group_of(api_version: str) -> str:
    """The API group of an apiVersion, "" for the core group."""
    return api_version.rpartition("/")[0]


def kind_of(api_version: str, name: str) -> Kind | None:
    """The kind of an object, even if its version is not served."""
    return KINDS.get((group_of(api_version), name))


def served_kind(api_version: str, name: str) -> Kind | None:
    """The kind of an object if its version is served."""
    kind = kind_of(api_version, name)
    return kind if kind is not None and api_version in kind.api_versions else None


def kinds_named(name: str) -> list[Kind]:
    """The kinds of this name in all groups, those that localmesh supports first."""
    return sorted((kind for kind in KINDS.values() if kind.name == name), key=_preference)


def similar_kind(api_version: str, name: str) -> str | None:
    """The name of a kind of this apiVersion that is spelled almost like `name`."""
    names = [kind.name for kind in KINDS.values() if api_version in kind.api_versions]
    return next(iter(get_close_matches(name, names, n=1)), None)


def kinds_by_word() -> Mapping[str, Kind]:
    """The supported kinds by every word that means them on the command line, in lower case.

    These are kubectl's: `virtualservice`, `virtualservices`, `vs`, and `virtualservices.networking.istio.io`,
    which is needed where several groups have a kind of one name.
    """
    words: dict[str, Kind] = {}
    for kind in sorted(KINDS.values(), key=_preference):
        if kind.status is not Status.UNSUPPORTED:
            singular = kind.name.lower()
            qualified = (kind.resource, kind.resource.replace(kind.plural, singular, 1))
            for word in (singular, kind.plural, *kind.short_names, *qualified):
                words.setdefault(word, kind)
    return words


def _preference(kind: Kind) -> tuple[bool, bool]:
    """Supported kinds come before others, and Istio's before those of other projects."""
    return kind.status is Status.UNSUPPORTED, kind.group in FOREIGN_GROUPS
