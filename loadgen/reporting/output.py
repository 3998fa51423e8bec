"""The files that a command writes; `-` is standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.errors import UsageError


def write_json(destination: str, document: Mapping[str, Any]) -> None:
    """Write a document as JSON to a file, or to standard output for `-`."""
    write_text(destination, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def write_text(destination: str, text: str) -> None:
    """Write to a file, or to standard output for `-`."""
    if destination == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(destination).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{destination} cannot be written: {error.strerror}") from error


def check_writable(*destinations: str | None) -> None:
    """Raise UsageError for a file that cannot be written, before the measurement and not after it."""
    for destination in destinations:
        if destination in {None, "-"}:
            continue
        folder = Path(str(destination)).parent
        if not folder.is_dir() or Path(str(destination)).is_dir():
            raise UsageError(
                f"{destination} cannot be written: {folder} is not a folder, or it is a folder itself"
            )
