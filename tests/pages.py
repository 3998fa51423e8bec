"""Pages as tests: the commands of a page's console blocks, and the output that it shows for them.

A page may have commands for one place only: those in a console block below the line `On a laptop:` or
`On a cluster:`, and those in a table with a column for each.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

ELIDED = "…"
FAILS = "# FAIL"
"""In the comment after a command: a proof that is meant to fail, with exit status 1."""
_BLOCK = re.compile(
    r"(?:^(?P<place>On a (?:laptop|cluster)):\n\n)?^```console\n(?P<text>.*?)^```$"
    r"|^\| on a laptop \| on a cluster \|\n\|---\|---\|\n(?P<rows>(?:^\|[^\n]*\n?)+)",
    flags=re.DOTALL | re.MULTILINE,
)


class Place(enum.Enum):
    """Where the mesh runs, in the words of a page."""

    LAPTOP = "On a laptop"
    CLUSTER = "On a cluster"


@dataclass(frozen=True)
class Command:
    """A command line of a page, and the output that the page shows; if it shows none, any output matches."""

    line: str
    shown: tuple[str, ...]

    @property
    def status(self) -> int:
        """The expected exit status."""
        return 1 if FAILS in self.line else 0


def commands(text: str, place: Place = Place.LAPTOP) -> list[Command]:
    """The commands of a page for a place, in order."""
    parsed: list[Command] = []
    for block in _BLOCK.finditer(text):
        if block["rows"]:
            parsed += _of_table(block["rows"], place)
        elif block["place"] in {None, place.value}:
            parsed += _of_console(block["text"])
    return parsed


def _of_console(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        typed = re.match(r"(?:.*\\\n)*.*", part)
        assert typed is not None
        yield Command(_joined(typed[0]), tuple(part[typed.end() + 1 :].splitlines()))


def _joined(typed: str) -> str:
    """A command of several lines as the shell reads it: between single quotes, nothing continues a line."""
    return re.sub(r"('[^']*')|\\\n +", lambda found: found[1] or "", typed)


def _of_table(rows: str, place: Place) -> Iterator[Command]:
    for row in rows.splitlines():
        cell = re.split(r"(?<!\\)\|", row.strip("|"))[list(Place).index(place)].replace("\\|", "|")
        yield from (Command(line, ()) for line in re.findall(r"`([^`]+)`", cell))


def difference(shown: tuple[str, ...], printed: list[str]) -> str:
    """Empty if the printed output matches the shown one; else both as a diff.

    A line with only `…` stands for any number of lines, `…` within a line for any part of it. The number of
    spaces between the columns of a table depends on the widest figure, so any number of spaces matches.
    """
    if not shown or _matches([_spaced(line) for line in shown], [_spaced(line) for line in printed]):
        return ""
    return "\n".join(unified_diff(list(shown), printed, "the page", "printed", lineterm="", n=100))


def _spaced(line: str) -> str:
    return re.sub(r"(?<=\S)\s+", " ", line).rstrip()


def _matches(shown: list[str], printed: list[str]) -> bool:
    lines = (
        r"(?:.*\n)*?" if line.strip() == ELIDED else ".*?".join(map(re.escape, line.split(ELIDED))) + "\n"
        for line in shown
    )
    return re.fullmatch("".join(lines), "".join(f"{line}\n" for line in printed)) is not None


def page_commands(page: Path, place: Place = Place.LAPTOP) -> list[Command]:
    """The commands of a page for a place; a page without any is an error."""
    parsed = commands(page.read_text(encoding="utf-8"), place)
    assert parsed, f"{page} has no console block with a command"
    return parsed
