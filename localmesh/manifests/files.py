"""Manifest files and folders → documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from localmesh.manifests.codes import reading
from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.problems import Place

STANDARD_INPUT = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def read_files(paths: Sequence[Path]) -> Reading:
    """What is in files, in folders (their YAML and JSON files, not deeper) and in `-` (standard input)."""
    return Reading.of_all(_read(path) for path in paths)


def _read(path: Path) -> Reading:
    try:
        if str(path) == STANDARD_INPUT:
            return read_text(sys.stdin.buffer.read().decode(), "<stdin>")
        if path.is_dir():
            return _read_folder(path)
        return read_text(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        return _unreadable(path, error.strerror or str(error), "name an existing, readable file")
    except UnicodeDecodeError as error:
        return _unreadable(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8")


def _read_folder(folder: Path) -> Reading:
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        return _unreadable(folder, "no .yaml, .yml or .json file in it", "name a folder of manifests")
    return Reading.of_all(map(_read, files))


def _unreadable(path: Path, reason: str, remedy: str) -> Reading:
    return Reading(problems=(reading.UNREADABLE.at(Place(str(path)), reason=reason, remedy=remedy),))
