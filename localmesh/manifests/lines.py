"""The lines of fields in YAML texts."""

from __future__ import annotations

import contextlib

import yaml

from localmesh.manifests.documents import Document
from localmesh.problems import FieldPath


class YamlLines:
    """Finds the lines of fields; a text is composed only as far as needed, and once."""

    def __init__(self) -> None:
        self._texts: dict[str, _Nodes] = {}

    def line(self, document: Document, path: FieldPath) -> int:
        """The line of a field in the text of its document, or of what contains it if it is absent."""
        if document.text not in self._texts:
            self._texts[document.text] = _Nodes(document.text)
        line, node = document.line, self._texts[document.text].starting_on(document.line)
        for segment in path:
            below = child(node, segment)
            if below is None:
                break
            line, node = below
        return line


class _Nodes:
    """The documents of a text as nodes."""

    def __init__(self, text: str) -> None:
        self._following = yaml.compose_all(text, Loader=yaml.CSafeLoader)
        self._by_line: dict[int, yaml.Node] = {}

    def starting_on(self, line: int) -> yaml.Node | None:
        if line not in self._by_line:
            with contextlib.suppress(yaml.YAMLError):  # reported where the text is read
                for node in self._following:
                    start = node.start_mark.line + 1 if node is not None else 0
                    self._by_line[start] = node
                    if start == line:
                        break
        return self._by_line.get(line)


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
