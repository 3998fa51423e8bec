"""The files that a kustomization reads, to find the one that is not YAML.

kustomize names such a file by its last part at best, and often not the line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localmesh.manifests.documents import Reading, read_text
from localmesh.manifests.patches import kustomization_file

_LISTS = ("resources", "components", "patches", "patchesJson6902", "patchesStrategicMerge")


def malformed_files(directory: Path) -> Reading:
    """The problems of all files of a kustomization, and of those it builds on, that are not YAML."""
    return Reading(problems=Reading.of_all(_readings(directory, set())).problems)


def _readings(directory: Path, seen: set[Path]) -> Iterator[Reading]:
    file = kustomization_file(directory)
    if file is None or directory.resolve() in seen:
        return
    seen.add(directory.resolve())
    reading = _read(file)
    yield reading
    for document in reading.documents:
        for path in _named_in(document.body, directory):
            if path.is_dir():
                yield from _readings(path, seen)
            elif path.is_file():
                yield _read(path)


def _read(file: Path) -> Reading:
    try:
        return read_text(file.read_text(encoding="utf-8"), os.path.relpath(file))
    except (OSError, UnicodeDecodeError):
        return Reading()  # kustomize's own sentence says why


def _named_in(kustomization: Any, directory: Path) -> Iterator[Path]:
    if not isinstance(kustomization, dict):
        return
    for name in _LISTS:
        entries = kustomization.get(name)
        for entry in entries if isinstance(entries, list) else ():
            written = entry.get("path") if isinstance(entry, dict) else entry
            # what has several lines is a patch written in place, and in place it was already read
            if isinstance(written, str) and "\n" not in written:
                yield directory / written
