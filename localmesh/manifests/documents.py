"""YAML text → documents of plain data, as strictly as kubectl reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

from localmesh.manifests import codes
from localmesh.manifests.problems import ManifestError, Place, Problem
from localmesh.manifests.scalars import Scalar, plain_scalar

DEEPEST = 100
"""Levels of nesting; Kubernetes objects have some twenty, and the parser must not run out of stack."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document as plain data and the line (from 1) on which it starts.

    `folder` is what origins in kustomize's annotations are relative to.
    """

    body: Any
    file: str
    line: int
    folder: Path | None = None


class _RefusedError(Exception):
    """The text of a document is wrong at one line."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def read_text(text: str, file: str, folder: Path | None = None) -> tuple[Document, ...]:
    """The documents of a YAML or JSON text, empty ones left out; ManifestError if it is malformed."""
    reader = _Reader(text, file, folder)
    try:
        documents = tuple(reader.documents())
    except yaml.YAMLError as error:
        raise ManifestError([_malformed(error, file)]) from None
    except _RefusedError as refused:
        raise ManifestError([*reader.problems, refused.problem]) from None
    if reader.problems:
        raise ManifestError(reader.problems)
    return documents


def _malformed(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    said = f"{reason} ({context})" if context else str(reason)
    line = mark.line + 1 if mark is not None else None
    return codes.MALFORMED.at(Place(file, line=line), reason=said)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


class _Reader:
    """Builds plain data from the parser's events: a third of the time of composing nodes."""

    def __init__(self, text: str, file: str, folder: Path | None) -> None:
        self.file = file
        self.folder = folder
        self.problems: list[Problem] = []
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        self._next: Callable[[], Event] = self._events.__next__
        self._anchors: dict[str, Any] = {}

    def documents(self) -> Iterator[Document]:
        for event in self._events:
            if type(event) is DocumentStartEvent:
                self._anchors = {}
                root = self._next()
                body = self._value(root, DEEPEST)
                if body is not None:
                    yield Document(body, self.file, _line(root), self.folder)

    def _value(self, event: Any, levels: int) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            value: Any = self._scalar(event)
        elif kind is AliasEvent:
            return self._alias(event)
        elif not levels:
            raise self._refused(event, f"nested deeper than {DEEPEST} levels")
        elif kind is MappingStartEvent:
            value = self._mapping(levels - 1)
        else:
            value = self._sequence(levels - 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, levels: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event)
            if key in mapping:
                place = Place(self.file, line=_line(event))
                self.problems.append(codes.DUPLICATE_KEY.at(place, key=key))
            mapping[key] = self._value(self._next(), levels)
        return mapping

    def _sequence(self, levels: int) -> list[Any]:
        sequence = []
        while type(event := self._next()) is not SequenceEndEvent:
            sequence.append(self._value(event, levels))
        return sequence

    def _key(self, event: Event) -> str:
        if type(event) is not ScalarEvent:
            raise self._refused(event, "a key must be a word")
        key = self._scalar(event)
        if isinstance(key, bool):
            return "true" if key else "false"
        if key is None:
            raise self._refused(event, "a key must not be null")
        return str(key)

    def _scalar(self, event: Any) -> Scalar:
        word: str = event.value
        return plain_scalar(word) if event.implicit[0] else word

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise self._refused(event, f"the anchor &{event.anchor} is not known here")
        return self._anchors[event.anchor]

    def _refused(self, event: Event, reason: str) -> _RefusedError:
        place = Place(self.file, line=_line(event))
        return _RefusedError(codes.MALFORMED.at(place, reason=reason))
