"""Manifest files and folders → documents."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localmesh.manifests.documents import Reading, read_text
from localmesh.problems import ManifestError, Place, Problem
from localmesh.problems.codes import syntax

STANDARD_INPUT = "-"
NAME_OF_STANDARD_INPUT = "<stdin>"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
CASE_SUFFIX = ".test.yaml"
"""How the names of the files of `localmesh test` end, which may be beside manifests."""
KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names of the file that makes a folder a kustomization."""


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a file, and the name to show for it."""

    file: str
    text: str


def read_files(paths: Sequence[Path]) -> Reading:
    """Reads files, folders (their YAML and JSON files, without subfolders) and `-` (standard input).

    Left out in folders are the files of `localmesh test`.
    """
    return Reading.of_all(
        read_text(item.text, item.file) if isinstance(item, Text) else Reading(problems=(item,))
        for item in _texts(paths)
    )


def texts(paths: Sequence[Path]) -> list[Text]:
    """The unparsed texts of the same sources. Raises ManifestError for those that cannot be read."""
    items = list(_texts(paths))
    problems = [item for item in items if isinstance(item, Problem)]
    if problems:
        raise ManifestError(problems)
    return [item for item in items if isinstance(item, Text)]


def _texts(paths: Sequence[Path]) -> Iterator[Text | Problem]:
    for path in paths:
        try:
            if path.is_dir():
                yield from _in_folder(path)
            else:
                yield _text(path)
        except OSError as error:
            yield _unreadable(path, error.strerror or str(error), "name an existing, readable file")
        except UnicodeDecodeError as error:
            yield _unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8")


def _text(path: Path) -> Text:
    if str(path) == STANDARD_INPUT:
        return Text(NAME_OF_STANDARD_INPUT, sys.stdin.buffer.read().decode())
    return Text(str(path), path.read_text(encoding="utf-8"))


def _in_folder(folder: Path) -> Iterator[Text | Problem]:
    files = folder_files(folder)
    if files:
        yield from _texts(files)
    else:
        yield _unreadable(folder, "it contains no .yaml, .yml or .json file", "name a folder of manifests")


def folder_files(folder: Path) -> list[Path]:
    """The YAML and JSON files of a folder without its subfolders, sorted."""
    return sorted(file for file in folder.iterdir() if _may_be_manifest(file) and file.is_file())


def manifest_files(path: Path) -> Iterator[Path]:
    """The file itself, or the YAML and JSON files of a folder and its subfolders.

    Left out are hidden folders, and the files of kustomize and of `localmesh test`, which are not manifests.
    """
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if _may_be_manifest(file) and file.name not in KUSTOMIZATION_NAMES and file.is_file() and not hidden:
            yield file


def _may_be_manifest(file: Path) -> bool:
    return file.suffix in _SUFFIXES and not file.name.endswith(CASE_SUFFIX)


def without_objects(names: Sequence[str]) -> Problem:
    """The problem that the files of these names contain no objects."""
    if NAME_OF_STANDARD_INPUT in names:
        reason, remedy = "standard input contains no objects", "write manifests to it"
    else:
        reason, remedy = "it contains no objects", "name a file or folder of manifests"
    return syntax.UNREADABLE.at(Place(", ".join(names)), reason=reason, remedy=remedy)


def _unreadable(path: Path, reason: str, remedy: str) -> Problem:
    return syntax.UNREADABLE.at(Place(str(path)), reason=reason, remedy=remedy)
