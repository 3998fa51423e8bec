"""The patches of kustomizations: which objects they change, and which of them set a field.

kustomize itself marks every object that passes through a kustomization with patches as patched, and does not
tell which patch changed what.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from localmesh.kinds import group_of
from localmesh.manifests.documents import Document, read_text
from localmesh.manifests.files import KUSTOMIZATION_NAMES
from localmesh.manifests.lines import YamlLines, child
from localmesh.problems import FieldPath


def kustomization_file(folder: Path) -> Path | None:
    """The file that makes a folder a kustomization, whichever of its names it has."""
    return next((folder / name for name in KUSTOMIZATION_NAMES if (folder / name).is_file()), None)


@dataclass(frozen=True, slots=True)
class Target:
    """The objects that a patch changes: patterns that match the whole word; an empty one matches all."""

    group: str = ""
    kind: str = ""
    name: str = ""

    def includes(self, group: str, kind: str, name: str | None) -> bool:
        """Whether an object is one of them; `name` is None if a kustomization changed it."""
        is_named = name is None or _matches(self.name, name)
        return _matches(self.group, group) and _matches(self.kind, kind) and is_named


def _matches(pattern: str, word: str) -> bool:
    try:
        return not pattern or re.fullmatch(pattern, word) is not None
    except re.error:
        return True


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch: an object to merge, or a list of JSON 6902 operations; a replacement has no document.

    A patch in a kustomization has a `first_line`, that of its text in the file. If it is not a block scalar,
    `has_lines` is false: the lines of the text are not lines of the file then.
    """

    target: Target
    document: Document | None = None
    first_line: int = 1
    has_lines: bool = True


class Patches:
    """The patches of kustomizations, each kustomization read once."""

    def __init__(self) -> None:
        self._patches: dict[Path, tuple[Patch, ...]] = {}
        self._lines = YamlLines()

    def touch(self, folder: Path, group: str, kind: str, name: str | None) -> bool:
        """Whether the kustomization in a folder patches such an object; `name` is None if it was changed."""
        return any(patch.target.includes(group, kind, name) for patch in self._in(folder))

    def setter(
        self, folders: Sequence[Path], body: dict[str, Any], path: FieldPath
    ) -> tuple[str, int] | None:
        """File and line of the patch that set a field of a patched object, None if no patch set it.

        A patch sets a field if it contains the value that the field has; of several, the last one counts.
        """
        for folder in reversed(folders):
            for patch in reversed(self._of(folder, body)):
                if patch.document is None:
                    continue
                inside = _path_in(patch.document.body, body, path)
                if inside is not None:
                    offset = self._lines.line(patch.document, inside) - 1 if patch.has_lines else 0
                    return patch.document.file, patch.first_line + offset
        return None

    def _of(self, folder: Path, body: dict[str, Any]) -> list[Patch]:
        """The patches of an object: by its name, or by its kind alone if it was renamed since."""
        kind = group_of(body["apiVersion"]), body["kind"]
        patches = self._in(folder)
        named = [patch for patch in patches if patch.target.includes(*kind, body["metadata"].get("name", ""))]
        return named or [patch for patch in patches if patch.target.includes(*kind, None)]

    def _in(self, folder: Path) -> tuple[Patch, ...]:
        if folder not in self._patches:
            try:
                self._patches[folder] = tuple(_patches(folder))
            except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError):
                # Count every object as patched, for then no line of its file may be claimed.
                self._patches[folder] = (Patch(Target()),)
        return self._patches[folder]


# -- reading -----------------------------------------------------------------------------------------


def _patches(folder: Path) -> Iterator[Patch]:
    file = kustomization_file(folder) or folder / KUSTOMIZATION_NAMES[0]
    text = file.read_text(encoding="utf-8")
    kustomization = yaml.load(text, Loader=yaml.CSafeLoader)
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    for name in ("patchesStrategicMerge", "patches", "patchesJson6902"):
        for index, entry in enumerate(kustomization.get(name, ())):
            path: list[str | int] = [name, index]
            if isinstance(entry, str):  # a patch to merge, or the name of its file
                written: dict[str, Any] = {"patch" if "\n" in entry else "path": entry}
            else:
                written = entry
                path.append("patch")
            target = _target(written["target"]) if written.get("target") else None
            if written.get("patch"):
                yield from _inline(written["patch"], file, target, _node_at(root, path))
            else:
                patch_file = folder / written["path"]
                yield from _parsed(patch_file.read_text(encoding="utf-8"), patch_file, target)
    for replacement in kustomization.get("replacements", ()):
        for target in replacement.get("targets", [{}]):
            yield Patch(_target(target.get("select", {})))


def _target(selector: dict[str, str]) -> Target:
    return Target(selector.get("group", ""), selector.get("kind", ""), selector.get("name", ""))


def _node_at(node: yaml.Node | None, path: Sequence[str | int]) -> yaml.Node:
    for segment in path:
        below = child(node, segment)
        if below is None:
            raise TypeError(segment)
        _, node = below
    if node is None:
        raise TypeError(path)
    return node


def _inline(text: str, file: Path, target: Target | None, node: yaml.Node) -> Iterator[Patch]:
    """The patches of a text in a kustomization: in a block scalar its lines are lines of the file."""
    has_lines = isinstance(node, yaml.ScalarNode) and node.style == "|"
    first_line = node.start_mark.line + (2 if has_lines else 1)  # the text starts below the |
    for patch in _parsed(text, file, target):
        yield replace(patch, first_line=first_line, has_lines=has_lines)


def _parsed(text: str, file: Path, target: Target | None) -> Iterator[Patch]:
    for document in read_text(text, os.path.relpath(file, Path.cwd().resolve())).documents:
        body = document.body
        if target is not None:
            yield Patch(target, document)
        else:
            group = re.escape(group_of(body["apiVersion"]))
            yield Patch(Target(group, re.escape(body["kind"]), re.escape(body["metadata"]["name"])), document)


# -- which field a patch sets ------------------------------------------------------------------------

_ABSENT = object()


def _path_in(patch: Any, body: Any, path: FieldPath) -> FieldPath | None:
    """The path in a patch of the value that an object has at `path`, None if the patch did not set it."""
    if not isinstance(patch, list):
        return _merged_path(patch, body, path)
    for index in reversed(range(len(patch))):
        inside = _operation_path(patch[index], body, path)
        if inside is not None:
            return FieldPath(index, *inside)
    return None


def _merged_path(patch: Any, body: Any, path: FieldPath) -> FieldPath | None:
    """Follows the path through a patch that was merged, where entries of lists may have other indices."""
    inside = FieldPath()
    for segment in path:
        value = value_at(body, FieldPath(segment))
        key = _entry_of(patch, value, segment) if isinstance(patch, list) else segment
        patch, body = value_at(patch, FieldPath(key)), value
        inside = inside / key
        if patch is _ABSENT:
            return None
    return inside if patch == body else None


def _entry_of(entries: list[Any], value: Any, segment: str | int) -> str | int:
    """The index of the entry that became `value`: the same one, if the list was not merged by a key."""
    indices = [index for index, entry in enumerate(entries) if _is_part(entry, value)]
    return segment if segment in indices or not indices else indices[0]


def _operation_path(operation: Any, body: Any, path: FieldPath) -> FieldPath | None:
    if not isinstance(operation, dict) or operation.get("op") not in ("add", "replace"):
        return None
    pointer = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    above, below = FieldPath(*path[: len(pointer)]), FieldPath(*path[len(pointer) :])
    value = operation.get("value")
    if len(above) < len(pointer) or not _is_part(value, value_at(body, above)):
        return None
    # Other operations may have moved an inserted entry, which is recognized by its content then.
    moves = isinstance(value, dict)
    if not all(
        part == str(segment) or (isinstance(segment, int) and (part == "-" or moves))
        for part, segment in zip(pointer, above, strict=True)
    ):
        return None
    is_set = value_at(value, below) not in (_ABSENT, None) and value_at(value, below) == value_at(body, path)
    return FieldPath("value", *below) if is_set else None


def value_at(value: Any, path: FieldPath) -> Any:
    """The value at a path, a marker that equals nothing else if there is none."""
    for segment in path:
        in_list = isinstance(value, list) and isinstance(segment, int) and segment < len(value)
        if not in_list and not (isinstance(value, dict) and segment in value):
            return _ABSENT
        value = value[segment]
    return value


def _is_part(part: Any, whole: Any) -> bool:
    """Whether a value contains all that another one does, as after merging it in."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_part(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return all(any(_is_part(entry, other) for other in whole) for entry in part)
    return bool(part == whole)
