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


@dataclass(frozen=True, slots=True)
class Text:
    """What stands in a file, and the name by which people know it."""

    file: str
    text: str


def read_files(paths: Sequence[Path]) -> Reading:
    """What is in files, in folders (their YAML and JSON files, not deeper) and in `-` (standard input)."""
    return Reading.of_all(
        read_text(found.text, found.file) if isinstance(found, Text) else Reading(problems=(found,))
        for found in _found(paths)
    )


def texts(paths: Sequence[Path]) -> list[Text]:
    """The same as it is written, to be read elsewhere. Raises ManifestError where it cannot be read."""
    found = list(_found(paths))
    problems = [each for each in found if isinstance(each, Problem)]
    if problems:
        raise ManifestError(problems)
    return [each for each in found if isinstance(each, Text)]


def _found(paths: Sequence[Path]) -> Iterator[Text | Problem]:
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
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if files:
        yield from _found(files)
    else:
        yield _unreadable(folder, "no .yaml, .yml or .json file in it", "name a folder of manifests")


def without_objects(names: Sequence[str]) -> Problem:
    """That files of these names hold no object at all."""
    if NAME_OF_STANDARD_INPUT in names:
        reason, remedy = "no object comes in on standard input", "write manifests to it"
    else:
        reason, remedy = "no object in it", "name a file or folder of manifests"
    return syntax.UNREADABLE.at(Place(", ".join(names)), reason=reason, remedy=remedy)


def _unreadable(path: Path, reason: str, remedy: str) -> Problem:
    return syntax.UNREADABLE.at(Place(str(path)), reason=reason, remedy=remedy)
