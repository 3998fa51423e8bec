"""The path of a field in a manifest."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*\Z")


class FieldPath(tuple[str | int, ...]):
    """A path of keys and indices that grows with `/`.

    >>> str(FieldPath("spec") / "http" / 0 / "route")
    'spec.http[0].route'
    >>> str(FieldPath("metadata", "labels", "app.kubernetes.io/name"))
    'metadata.labels["app.kubernetes.io/name"]'
    """

    __slots__ = ()

    def __new__(cls, *segments: str | int) -> FieldPath:  # noqa: D102 - the class says it
        return super().__new__(cls, segments)

    def __getnewargs__(self) -> tuple[str | int, ...]:  # problems pass between processes
        return tuple(self)

    def __truediv__(self, segment: str | int) -> FieldPath:
        return FieldPath(*self, segment)

    def __str__(self) -> str:
        written = "".join(map(_segment, self))
        return written.removeprefix(".")

    def __repr__(self) -> str:
        return f"FieldPath({str(self)!r})"

    def contains(self, other: FieldPath) -> bool:
        """Whether `other` is this path or one below it."""
        return other[: len(self)] == tuple(self)


def _segment(segment: str | int) -> str:
    if isinstance(segment, int):
        return f"[{segment}]"
    if _PLAIN.match(segment):
        return f".{segment}"
    return f'["{segment}"]'
