"""Manifest files and folders → documents."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from localmesh.manifests import codes
from localmesh.manifests.documents import Document, read_text
from localmesh.manifests.problems import ManifestError, Place, Problem

STANDARD_INPUT = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


def read_files(paths: Sequence[Path]) -> tuple[Document, ...]:
    """The documents of files, of folders (their YAML and JSON files, not deeper), of `-` (standard input).

    Raises ManifestError with the problems of all files at once.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            for file in _files(path):
                documents.extend(_read_file(file))
        except ManifestError as error:
            problems.extend(error.problems)
    if problems:
        raise ManifestError(problems)
    return tuple(documents)


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())


def _read_file(path: Path) -> tuple[Document, ...]:
    if str(path) == STANDARD_INPUT:
        return read_text(sys.stdin.read(), "<stdin>")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ManifestError(
            [codes.UNREADABLE.at(Place(str(path)), reason=reason, remedy="name an existing, readable file")]
        ) from None
    except UnicodeDecodeError as error:
        raise ManifestError(
            [codes.UNREADABLE.at(Place(str(path)), reason=str(error), remedy="save the file as UTF-8")]
        ) from None
    return read_text(text, str(path))
