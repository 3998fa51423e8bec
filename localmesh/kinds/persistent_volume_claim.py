"""PersistentVolumeClaim: its record and what Kubernetes requires of it."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.kind import Kind
from localmesh.kinds.rules.values import quantity
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def access_modes(root: Field) -> Iterator[Problem]:
    """The access modes are known."""
    spec = root.get("spec")
    modes = spec.get("accessModes")
    if not len(modes):
        remedy = "add spec.accessModes: [ReadWriteOnce]"
        yield spec.problem(invalid.MISSING_FIELD, name="accessModes", why="", remedy=remedy)
    for mode in modes.items():
        if mode.text and mode.text not in _MODES:
            yield mode.problem(invalid.NOT_IN_SET, expected=", ".join(_MODES), remedy="write one of these")


def requested_size(root: Field) -> Iterator[Problem]:
    """The claim requests storage."""
    requests = root.get("spec", "resources", "requests")
    if not requests.get("storage"):
        remedy = "add spec.resources.requests.storage"
        yield root.get("spec").problem(
            invalid.MISSING_FIELD, name="resources.requests.storage", why="", remedy=remedy
        )
    yield from quantity(requests.get("storage"))


PERSISTENT_VOLUME_CLAIM = Kind(
    group="",
    name="PersistentVolumeClaim",
    versions=("v1",),
    plural="persistentvolumeclaims",
    short_names=("pvc",),
    rules=(access_modes, requested_size),
)
