"""The line of a field in its file, looked up only for problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from localmesh.kinds import group_of
from localmesh.manifests.documents import Document, read_text
from localmesh.problems import FieldPath, Place, Problem


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object was read: its document, and its path in it (for the items of a List)."""

    document: Document
    inside: FieldPath


class Lines:
    """Finds the lines of problems of one load; files are parsed once, and only if needed."""

    def __init__(self) -> None:
        self._texts: dict[str, _Nodes] = {}
        self._files: dict[str, tuple[Document, ...]] = {}

    def located(self, problem: Problem, source: Source) -> Problem:
        """The problem with the line of its field, unless the object was patched."""
        place = problem.place
        if source.document.folder is None:
            return problem.on_line(self._line(source.document, FieldPath(*source.inside, *problem.path)))
        written = self._written(place) if not place.patched_by else None
        return problem.on_line(self._line(written, problem.path)) if written else problem

    def _written(self, place: Place) -> Document | None:
        """The object in the file that kustomize read it from."""
        if place.file not in self._files:
            self._files[place.file] = tuple(_documents(Path(place.file)))
        for document in self._files[place.file]:
            body = document.body
            metadata = body.get("metadata") if isinstance(body, dict) else None
            if isinstance(metadata, dict) and body.get("kind") == place.kind:
                group = group_of(str(body.get("apiVersion")))
                if (group, metadata.get("name")) == (place.group, place.name):
                    return document
        return None

    def _line(self, document: Document, path: FieldPath) -> int:
        if document.text not in self._texts:
            self._texts[document.text] = _Nodes(document.text)
        nodes = self._texts[document.text]
        line, node = document.line, nodes.starting_on(document.line)
        for segment in path:
            found = _child(node, segment)
            if found is None:
                break
            line, node = found
        return line


def _documents(file: Path) -> Iterator[Document]:
    try:
        yield from read_text(file.read_text(encoding="utf-8"), str(file)).documents
    except (OSError, UnicodeDecodeError):
        return  # a file of another machine, or one that was just removed: no line then


class _Nodes:
    """The documents of a text as nodes with their lines, composed only as far as needed."""

    def __init__(self, text: str) -> None:
        self._following = yaml.compose_all(text, Loader=yaml.CSafeLoader)
        self._found: dict[int, yaml.Node] = {}

    def starting_on(self, line: int) -> yaml.Node | None:
        if line not in self._found:
            for node in self._following:
                start = node.start_mark.line + 1 if node is not None else 0
                self._found[start] = node
                if start == line:
                    break
        return self._found.get(line)


def _child(node: yaml.Node | None, segment: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == segment:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(segment, int) and segment < len(node.value):
        entry = node.value[segment]
        return entry.start_mark.line + 1, entry
    return None
