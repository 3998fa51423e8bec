"""Which mesh is meant where none is named: that of the state folder, as for the commands of localmesh.

A running localmesh keeps a note in its state folder, `mesh.json`: `url` is where its API is, `pid` its
process. The folder is that of LOCALMESH_STATE, else `.localmesh` below the working folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STATE_VARIABLE = "LOCALMESH_STATE"
STATE_FOLDER = ".localmesh"
DEFAULT_URL = "http://127.0.0.1:7080"


@dataclass(frozen=True, slots=True)
class MeshLocation:
    """The address of a mesh's API and, of a localmesh that tells it, its state folder."""

    api: str
    state_folder: str | None = None

    def __str__(self) -> str:
        known = self.state_folder is not None
        return f"{self.api}, localmesh with the state folder {self.state_folder}" if known else self.api


def local_url(environ: Mapping[str, str] = os.environ) -> str:
    """The API of the mesh that runs with the state folder; the usual address where none does."""
    folder = Path(environ.get(STATE_VARIABLE) or STATE_FOLDER)
    return _noted(folder / "mesh.json") or DEFAULT_URL


def _noted(note: Path) -> str | None:
    """The address in a note, unless whoever wrote it has ended without taking it away."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        url, process = str(found["url"]), int(found["pid"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return url if _runs(process) else None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # somebody else's, and so it is there
    except (OSError, OverflowError):
        return False
    return True
