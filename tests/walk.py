"""Walks through the pages of the workshop: executes their commands and compares what these print."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.pages import Command, Place, difference, page_commands

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "workshop").glob("[0-9]*.md"))
FOLDERS = ("docs", "istio", "k8s")
"""What the commands read."""

Run = Callable[[str], tuple[int, list[str]]]


class NotAsShownError(AssertionError):
    """A command that ends or prints otherwise than its page shows."""


def copy(folder: Path) -> None:
    """Copy what the commands of the pages read, with this Python's programs as `.venv`."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)


def let_logic_hang(folder: Path, seconds: str) -> None:
    """Change how long version 2 of logic hangs, in a copy of the manifests."""
    logic = folder / "k8s" / "base" / "logic.yaml"
    text, count = re.subn(r'(name: HANG_SECONDS\n\s+value: )"3"', rf'\1"{seconds}"', logic.read_text())
    assert count == 1
    logic.write_text(text)


def walk(page: Path, run: Run, place: Place = Place.LAPTOP) -> None:
    """Execute the commands of a page in order; raises NotAsShownError at the first difference."""
    for command in page_commands(page, place):
        status, printed = run(command.line)
        wrong = difference(command.shown, printed)
        if wrong or status not in _statuses(command):
            transcript = "\n".join((f"$ {command.line}", *printed))
            raise NotAsShownError(f"{page.name}: exit status {status}\n{transcript}\n\n{wrong}")


def _statuses(command: Command) -> set[int]:
    """A difference that `localmesh diff` finds is not a failure."""
    return {0, 1} if command.line.startswith("localmesh diff ") else {command.status}
