"""Edits in words: a table has the name and form of each field; others are shown as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localmesh.diff.edits import ABSENT, Edit, Path, edits, pattern
from localmesh.diff.formats import UNREADABLE

OTHER = "other Envoy configuration"
"""How a change starts for whose field there are no words."""

Show = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A change in words, and the edits that it describes; `part` is the rule or subset that has it."""

    text: str
    edits: tuple[Edit, ...]
    part: str = ""

    def below(self, *steps: str) -> Phrase:
        """The same phrase about a document that is at `steps` in a larger one."""
        return replace(self, edits=tuple(edit.below(*steps) for edit in self.edits))

    def of(self, part: str) -> Phrase:
        """The same phrase about a part of a resource."""
        return replace(self, part=part)


def plain(value: Any) -> str:
    """A value as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Label:
    """What a field is called, how its value is shown, and what it means that there is none.

    `by_field`: a block that exists before and after is described field by field.
    """

    name: str
    show: Show = plain
    absent: str = "none"
    by_field: bool = False

    def text(self, edit: Edit) -> str | None:
        """The change in words; None if both values look the same, or it is described field by field.

        It is None as well for a value that no translation writes, so that it cannot be shown.
        """
        if self.by_field and ABSENT not in (edit.before, edit.after):
            return None
        try:
            before, after = (
                self.absent if value is ABSENT else self.show(value) for value in (edit.before, edit.after)
            )
        except UNREADABLE:
            return None
        return None if before == after else f"{self.name}: {before} → {after}"


@dataclass(frozen=True, slots=True)
class Words:
    """The words for a kind of resource: labels by the pattern of their field.

    A field in `implied` follows from others: its change is part of theirs if one of those has changed too.
    """

    labels: Mapping[Path, Label]
    implied: Mapping[Path, tuple[Path, ...]]

    def phrases(self, before: Any, after: Any, resource: str, earlier: Iterable[Phrase] = ()) -> list[Phrase]:
        """The changes between two documents; with those of `earlier` they contain every edit."""
        described: list[Phrase] = list(earlier)
        implied: list[Edit] = []
        for edit in edits(before, after, self.labels):
            for phrase in self._of_edit(edit, resource):
                if phrase.text:
                    described.append(phrase)
                else:
                    implied += phrase.edits
        for edit in implied:
            _attach(edit, self.implied[pattern(edit.path)], described, resource)
        return described

    def _of_edit(self, edit: Edit, resource: str) -> Iterator[Phrase]:
        at = pattern(edit.path)
        label = self.labels.get(at)
        text = label.text(edit) if label else None
        parts = edit.parts(self.labels)
        if text is not None:
            yield Phrase(text, (edit,))
        elif at in self.implied and not any(pattern(part.path) in self.labels for part in parts):
            yield Phrase("", (edit,))
        elif parts:
            for part in parts:
                yield from self._of_edit(part, resource)
        else:
            yield other(edit, resource)


def _attach(edit: Edit, origins: Iterable[Path], phrases: list[Phrase], resource: str) -> None:
    """Adds an implied edit to the phrase that it follows from, or makes it one of its own."""
    for index, phrase in enumerate(phrases):
        paths = [pattern(origin.path) for origin in phrase.edits]
        if any(path[: len(origin)] == origin for path in paths for origin in origins):
            phrases[index] = replace(phrase, edits=(*phrase.edits, edit))
            return
    phrases.append(other(edit, resource))


def other(edit: Edit, resource: str) -> Phrase:
    """An edit that there are no words for."""
    before, after = ("none" if value is ABSENT else plain(value) for value in (edit.before, edit.after))
    field = f" {edit.field}" if edit.path else ""
    return Phrase(f"{OTHER}: {resource}{field}: {before} → {after}", (edit,))
