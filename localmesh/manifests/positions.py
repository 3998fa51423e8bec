"""The position of a problem: the file that set its field, and the line, looked up only for problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from localmesh.kinds import group_of
from localmesh.manifests.documents import Document, read_text
from localmesh.manifests.lines import YamlLines
from localmesh.manifests.patches import Patches, value_at
from localmesh.problems import FieldPath, Place, Problem


@dataclass(frozen=True, slots=True)
class Source:
    """Where an object was read: its document, and its path in it (for the items of a List)."""

    document: Document
    inside: FieldPath


class Positions:
    """Finds the positions of the problems of one load; files are parsed once, and only if needed."""

    def __init__(self) -> None:
        self._lines = YamlLines()
        self._patches = Patches()
        self._files: dict[str, tuple[Document, ...]] = {}

    def located(self, problem: Problem, source: Source) -> Problem:
        """The problem with the line of its field, and with the file of the patch that set it, if one did.

        Where the document is the text of a field, the user knows the file, and not the object around it.
        """
        place, above = self.place_of(problem.place, problem.path, source), source.document.text_of
        if above and problem.path[: len(above)] == above:
            path = FieldPath(*problem.path[len(above) :])
            return replace(problem, place=Place(place.file, line=place.line), path=path)
        return replace(problem, place=place)

    def place_of(self, place: Place, path: FieldPath, source: Source) -> Place:
        """The place of a field of the object at `place`: its line, and the patch that set it, if one did."""
        document = source.document
        if document.folder is None:
            return replace(place, line=self._lines.line(document, FieldPath(*source.inside, *path)))
        body = value_at(document.body, source.inside)
        folders = [Path(folder) for folder in place.patched_by]
        patch = self._patches.setter(folders, body, path)
        if patch is not None:
            file, line = patch
            return replace(place, file=file, line=line, patched_by=(), patch_of=place.file)
        written = self._written(place)
        if written is None or (folders and not _is_unchanged(written.body, body, path)):
            return place
        return replace(place, line=self._lines.line(written, path))

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


def _documents(file: Path) -> Iterator[Document]:
    try:
        yield from read_text(file.read_text(encoding="utf-8"), str(file)).documents
    except (OSError, UnicodeDecodeError):
        return  # a file of another machine, or one that was just removed: no line then


def _is_unchanged(written: object, patched: object, path: FieldPath) -> bool:
    """Whether patches left the value at a path alone, and no entry before it was added or removed."""
    for length in range(len(path)):
        above = FieldPath(*path[:length])
        before, after = value_at(written, above), value_at(patched, above)
        if isinstance(before, list) and isinstance(after, list) and len(before) != len(after):
            return False
    return bool(value_at(written, path) == value_at(patched, path))
