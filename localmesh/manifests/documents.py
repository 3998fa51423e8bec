"""YAML text → documents of plain data, read as strictly as kubectl reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from localmesh.manifests.scalars import Scalar, plain_scalar
from localmesh.problems import FieldPath, Place, Problem
from localmesh.problems.codes import syntax

DEEPEST = 100
"""Levels of nesting; Kubernetes objects have about twenty, and the parser must not exhaust the stack."""

MOST_VALUES = 1_000_000
"""Values that aliases may expand to; a few lines of nested aliases could otherwise exhaust the memory."""

_SURROGATES = re.compile(r"(?i)\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}")
_TAG = "tag:yaml.org,2002:"
_TYPES_OF_TAGS: dict[str, type | tuple[type, ...]] = {
    f"{_TAG}int": int,
    f"{_TAG}float": (float, int),
    f"{_TAG}bool": bool,
    f"{_TAG}null": type(None),
}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document as plain data, the line (from 1) on which it starts, and the text that contains it.

    The origins in kustomize's annotations are relative to `folder`, which is None for other documents.
    `has_null` is whether the document contains a null. `text_of` is the field whose text `text` is, where the
    rest of the body was not read.
    """

    body: Any
    file: str
    line: int
    text: str
    folder: Path | None = None
    has_null: bool = False
    text_of: FieldPath = field(default_factory=FieldPath)


@dataclass(frozen=True, slots=True)
class Reading:
    """The documents that were read, and the problems of those that could not be."""

    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of_all(cls, readings: Iterable[Reading]) -> Reading:
        """Combines several readings."""
        parts = list(readings)
        return cls(
            tuple(document for part in parts for document in part.documents),
            tuple(problem for part in parts for problem in part.problems),
        )


def read_text(text: str, file: str, folder: Path | None = None) -> Reading:
    """The documents of a YAML or JSON text, without empty ones."""
    text = _as_yaml(text)
    reader = _Reader(file)
    documents: list[Document] = []
    try:
        for body, line in reader.documents(text):
            if body is not None:
                documents.append(Document(body, file, line, text, folder, reader.has_null))
    except yaml.YAMLError as error:
        reader.problems.append(_malformed(error, text, file))
    except UnicodeEncodeError as error:
        reader.problems.append(syntax.MALFORMED.at(Place(file), reason=error.reason))
    except _RejectedError as rejected:
        reader.problems.append(rejected.problem)
    return Reading(tuple(documents), tuple(reader.problems))


def _as_yaml(text: str) -> str:
    """The text without byte order marks, and with JSON's pairs of escapes as the characters that they mean.

    Such marks are in the middle where files were put together; YAML has no escapes for halves of characters.
    """
    text = text.replace("\ufeff", "")
    if text.lstrip().startswith(("{", "[")):
        text = _SURROGATES.sub(lambda pair: json.loads(f'"{pair[0]}"'), text)
    return text


def _malformed(error: yaml.YAMLError, text: str, file: str) -> Problem:
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    context = getattr(error, "context", None)
    mark = getattr(error, "problem_mark", None)
    if mark is not None and mark.line >= text.rstrip().count("\n") + 1:
        mark = getattr(error, "context_mark", None) or mark  # the start of the value, not the end of the file
    return syntax.MALFORMED.at(
        Place(file, line=mark.line + 1 if mark is not None else None),
        reason=f"{reason} {context}" if context else reason,
    )


class _RejectedError(Exception):
    """A document is YAML that kubectl rejects."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class _Reader:
    """Builds plain data from the parser's events, in a quarter of the time that composing nodes takes."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.has_null = False
        self._file = file
        self._events: Iterator[Event] = iter(())
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def documents(self, text: str) -> Iterator[tuple[Any, int]]:
        self._events = yaml.parse(text, Loader=yaml.CSafeLoader)
        for event in self._events:
            if type(event) is DocumentStartEvent:
                self._anchors = {}
                self._values = 0
                self.has_null = False
                root = next(self._events)
                yield self._value(root, DEEPEST), _line(root)

    def _value(self, event: Any, levels: int) -> Any:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event)
        before = self._values
        self._values += 1
        if kind is ScalarEvent:
            value: Any = self._scalar(event)
        elif not levels:
            raise self._rejected(event, f"nested deeper than {DEEPEST} levels")
        elif kind is MappingStartEvent:
            value = self._mapping(levels - 1)
        else:
            value = self._sequence(levels - 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._values - before
        return value

    def _mapping(self, levels: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: list[Any] = []
        following = self._events.__next__
        while type(event := following()) is not MappingEndEvent:
            key = self._key(event)
            value = self._value(following(), levels)
            if key == "<<":
                merged.append((event, value))
            elif key in mapping:
                self.problems.append(syntax.DUPLICATE_KEY.at(Place(self._file, line=_line(event)), key=key))
            else:
                mapping[key] = value
        for event, value in merged:
            self._merge(mapping, event, value)
        return mapping

    def _merge(self, mapping: dict[str, Any], event: Event, value: Any) -> None:
        """Applies `<<: *anchor`: adds the keys of the other mapping that are not set."""
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                raise self._rejected(event, "<< merges mappings only")
            for key, inner in source.items():
                mapping.setdefault(key, inner)

    def _sequence(self, levels: int) -> list[Any]:
        sequence = []
        while type(event := next(self._events)) is not SequenceEndEvent:
            sequence.append(self._value(event, levels))
        return sequence

    def _key(self, event: Event) -> str:
        if type(event) is not ScalarEvent:
            raise self._rejected(event, "a key must be a scalar (render templates first)")
        key = self._scalar(event)
        if key is None:
            raise self._rejected(event, "a key must not be null")
        if isinstance(key, bool):
            return "true" if key else "false"
        return str(key)

    def _scalar(self, event: Any) -> Scalar:
        word: str = event.value
        if event.tag in {"!", f"{_TAG}str"} or not (event.implicit[0] or event.tag):
            return word
        value = plain_scalar(word)
        self.has_null = self.has_null or value is None
        if event.tag is None:
            return value
        expected = _TYPES_OF_TAGS.get(event.tag)
        if expected is None or not isinstance(value, expected):
            raise self._rejected(event, f"the tag {event.tag.replace(_TAG, '!!')} does not match {word!r}")
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._rejected(event, f"the alias refers to &{event.anchor}, which is not defined yet")
        value, size = self._anchors[event.anchor]
        self._values += size
        if self._values > MOST_VALUES:
            raise self._rejected(event, f"aliases expand to more than {MOST_VALUES:,} values")
        return value

    def _rejected(self, event: Event, reason: str) -> _RejectedError:
        return _RejectedError(syntax.MALFORMED.at(Place(self._file, line=_line(event)), reason=reason))


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
