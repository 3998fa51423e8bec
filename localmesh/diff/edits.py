"""The difference between two JSON documents as a list of edits that together explain all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""The way to a field: names of fields, and for an entry of a list its name or index in brackets."""

ORDER = "[order]"
"""The last step of the path of an edit that only reorders a list; its values are lists of names."""


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return self.value


ABSENT: Final = _Absent.ABSENT
"""The value of a field that does not exist."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One difference: the value at a path before and after; ABSENT where there is none."""

    path: Path
    before: Any
    after: Any

    @property
    def field(self) -> str:
        """The path as text.

        >>> Edit(("route", "clusters", "[v1]", "weight"), 80, 50).field
        'route.clusters[v1].weight'
        """
        return ".".join(self.path).replace(".[", "[")

    def below(self, *steps: str) -> Edit:
        """The same edit, of a document that is at `steps` in a larger one."""
        return replace(self, path=(*steps, *self.path))

    def parts(self, whole: Collection[Path] = ()) -> list[Edit]:
        """The edits inside a block that was added, removed or compared as a whole; none if it is no block."""
        before, after = self.before, self.after
        if ABSENT in (before, after):
            before, after = ({} if value is ABSENT else value for value in (before, after))
        inside = frozenset(whole) - {pattern(self.path)}
        return [edit for edit in edits(before, after, inside, self.path) if edit.path != self.path]


def pattern(path: Path) -> Path:
    """A path without the names and indices of list entries."""
    return tuple("[]" if step.startswith("[") and step != ORDER else step for step in path)


def masked(edit: Edit) -> Edit:
    """The edit without its values, which are secret; as in `kubectl diff`, it still says which there are."""
    before, after = (
        value if value is ABSENT else f"*** ({side})"
        for value, side in ((edit.before, "before"), (edit.after, "after"))
    )
    return replace(edit, before=before, after=after)


def edits(before: Any, after: Any, whole: Collection[Path] = (), at: Path = ()) -> Iterator[Edit]:
    """The edits that turn one document into the other; none if and only if both are equal.

    Lists of objects with unique names are compared by name, other lists entry by entry. What is at one of
    the patterns in `whole` is one edit; `at` is the path of the documents themselves.
    """
    if before is after or before == after:
        return
    if pattern(at) in whole:
        yield Edit(at, before, after)
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from edits(before.get(name, ABSENT), after.get(name, ABSENT), whole, (*at, name))
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        yield from _list_edits(before, after, whole, at)
    else:
        yield Edit(at, before, after)


def _list_edits(
    before: Sequence[Any], after: Sequence[Any], whole: Collection[Path], at: Path
) -> Iterator[Edit]:
    old, new = _by_name(before), _by_name(after)
    if old is None or new is None:
        old, new = _by_index(before), _by_index(after)
    for name in [*old, *(name for name in new if name not in old)]:
        yield from edits(old.get(name, ABSENT), new.get(name, ABSENT), whole, (*at, f"[{name}]"))
    if order := reordered(old, new):
        yield order.below(*at)


def named(entries: Iterable[Mapping[str, Any]], key: str = "name") -> dict[str, Any]:
    """The entries by name; Envoy does not take two of one name, but a second one would not be lost here."""
    by_name: dict[str, Any] = {}
    for entry in entries:
        name = str(entry.get(key, ""))
        while name in by_name:
            name += "+"
        by_name[name] = entry
    return by_name


def reordered(before: Collection[str], after: Collection[str]) -> Edit | None:
    """The edit of the order of the names that are in both; None if it is the same."""
    kept, now = [name for name in before if name in after], [name for name in after if name in before]
    return Edit((ORDER,), kept, now) if kept != now else None


def _by_name(entries: Sequence[Any]) -> dict[str, Any] | None:
    """The entries by name; None unless all have names that differ."""
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    return {str(name): entry for name, entry in zip(names, entries, strict=True)}


def _by_index(entries: Sequence[Any]) -> dict[str, Any]:
    return {str(index): entry for index, entry in enumerate(entries)}
