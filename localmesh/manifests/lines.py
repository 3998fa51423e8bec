"""The lines of fields in YAML texts."""

from __future__ import annotations

import contextlib
from itertools import accumulate

import yaml

from localmesh.manifests.documents import Document
from localmesh.problems import FieldPath


class YamlLines:
    """Finds the lines of fields; a document is composed once, and only if a line of it is asked for."""

    def __init__(self) -> None:
        self._roots: dict[tuple[str, int], yaml.Node | None] = {}
        self._starts: dict[str, list[int]] = {}

    def line(self, document: Document, path: FieldPath) -> int:
        """The line of a field in the text of its document, or of what contains it if it is absent."""
        path = FieldPath(*path[len(document.text_of) :])
        key = document.text, document.line
        if key not in self._roots:
            self._roots[key] = _composed(self._text_of(document))
        line, node, above = 1, self._roots[key], 0
        for segment in path:
            if isinstance(node, yaml.ScalarNode) and node.style == "|":
                above += node.start_mark.line + 1  # a text that is YAML itself starts below the |
                node = _composed(node.value)
            below = child(node, segment)
            if below is None:
                break
            line, node = above + below[0], below[1]
        return document.line + line - 1

    def _text_of(self, document: Document) -> str:
        """The text of the document alone, from its first line.

        Three dashes at the start of a line always end it: composing a whole file for each of its 1,000
        objects took seconds.
        """
        text = document.text
        if text not in self._starts:
            self._starts[text] = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        start = self._starts[text][document.line - 1]
        end = text.find("\n---", start)
        return text[start:] if end < 0 else text[start : end + 1]


def _composed(text: str) -> yaml.Node | None:
    with contextlib.suppress(yaml.YAMLError):  # reported where the text is read
        return next(iter(yaml.compose_all(text, Loader=yaml.CSafeLoader)), None)
    return None


def child(node: yaml.Node | None, segment: str | int) -> tuple[int, yaml.Node] | None:
    """The entry of a mapping or list, with its line, None if there is none."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == segment:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(segment, int) and segment < len(node.value):
        entry = node.value[segment]
        return entry.start_mark.line + 1, entry
    return None
