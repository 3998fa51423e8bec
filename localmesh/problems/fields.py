"""Access to the fields of a manifest; every value carries its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from localmesh.problems.paths import FieldPath
from localmesh.problems.problem import Place, Problem

if TYPE_CHECKING:
    from localmesh.problems.codes import Code


class Field:
    """A value together with its place. A field that is absent or has another type yields nothing.

    So rules need no type checks: the schema reports wrong types. Absent and null are the same, as in
    Kubernetes. This is a plain class that builds its path only on demand, because validation creates
    thousands of fields for a valid object.
    """

    __slots__ = ("_key", "_parent", "place", "value")

    def __init__(
        self, value: Any, place: Place, parent: Field | None = None, key: str | int | None = None
    ) -> None:
        self.value = value
        self.place = place
        self._parent = parent
        self._key = key

    def get(self, *keys: str) -> Field:
        """The field under these keys."""
        field = self
        for key in keys:
            value = field.value
            field = Field(value.get(key) if isinstance(value, dict) else None, field.place, field, key)
        return field

    def at(self, path: FieldPath) -> Field:
        """The field at a path below this one."""
        field = self
        for key in path:
            field = field.get(key) if isinstance(key, str) else next(islice(field.items(), key, None))
        return field

    def items(self) -> Iterator[Field]:
        """The elements of a list."""
        if isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield Field(value, self.place, self, index)

    def entries(self) -> Iterator[tuple[str, Field]]:
        """The keys and fields of a mapping."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield key, Field(value, self.place, self, key)

    def __len__(self) -> int:
        return len(self.value) if isinstance(self.value, (list, dict)) else 0

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def text(self) -> str | None:
        """The value, if it is a string."""
        return self.value if isinstance(self.value, str) else None

    @property
    def integer(self) -> int | None:
        """The value, if it is a whole number."""
        return self.value if type(self.value) is int else None

    @property
    def number(self) -> float | None:
        """The value, if it is a number."""
        return self.value if type(self.value) in {int, float} else None

    @property
    def path(self) -> FieldPath:
        """The path of the field in its object."""
        segments: list[str | int] = []
        field: Field | None = self
        while field is not None and field._key is not None:
            segments.append(field._key)
            field = field._parent
        return FieldPath(*reversed(segments))

    def problem(self, code: Code, **values: object) -> Problem:
        """A problem of this field; `found` defaults to its value."""
        return code.at(self.place, self.path, **{"found": quoted(self.value), **values})


LONGEST_QUOTE = 80


def quoted(value: object) -> str:
    """A value as messages show it: strings in quotes, long values truncated.

    >>> quoted("v3"), quoted(80), quoted(True), quoted([1, "a"]), quoted(None)
    ('"v3"', '80', 'true', '[1, "a"]', 'null')
    """
    match value:
        case str():
            shown = f'"{value}"'
        case True | False:
            shown = "true" if value else "false"
        case None:
            shown = "null"
        case list():
            shown = f"[{', '.join(_inner(item) for item in value[:LONGEST_QUOTE])}]"
        case dict():
            shown = "{" + ", ".join(f"{key}: {_inner(item)}" for key, item in value.items()) + "}"
        case _:
            shown = str(value)
    shown = shown.replace("\n", "\\n")
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[: LONGEST_QUOTE - 1]}…"


def _inner(value: object) -> str:
    match value:
        case list():
            return "[…]" if value else "[]"
        case dict():
            return "{…}" if value else "{}"
        case _:
            return quoted(value)


def listed(words: Iterable[str], conjunction: str = "and") -> str:
    """Words as an enumeration in a sentence.

    >>> listed(["v1", "v2", "v3"]), listed(["v1"], "or"), listed([])
    ('v1, v2 and v3', 'v1', 'none')
    """
    *others, last = list(words) or ["none"]
    return f"{', '.join(others)} {conjunction} {last}" if others else last
