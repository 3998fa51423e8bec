"""docs/target.md for tests: its sections, their tables and the code in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from tests.live import ROOT

Rows = list[list[str]]


@cache
def page() -> str:
    """The whole page."""
    return (ROOT / "docs" / "target.md").read_text()


def section(heading: str) -> str:
    """The text under a heading, up to the next heading."""
    return page().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def tables(heading: str) -> list[Rows]:
    """The tables of a section, each as rows without its head; backticks around a cell are removed."""
    return [[[cell.strip("`") for cell in row] for row in rows] for rows in _written(heading)]


def table(heading: str) -> Rows:
    """The only table of a section."""
    (only,) = tables(heading)
    return only


def code_in(heading: str) -> list[list[list[list[str]]]]:
    """The tables of a section, with the inline code of each cell."""
    return [[[re.findall(r"`([^`]+)`", cell) for cell in row] for row in rows] for rows in _written(heading)]


def _written(heading: str) -> list[Rows]:
    blocks = re.findall(r"(?:^\|.*\n)+", section(heading) + "\n", flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()[2:]]
        for block in blocks
    ]


@cache
def fate() -> Callable[..., str]:
    """The page's function that computes the fate of a request."""
    code = re.search(r"```python\n(.*?)```", section("Fault switches"), flags=re.DOTALL)
    assert code is not None
    names: dict[str, Callable[..., str]] = {}
    exec(code[1], names)
    return names["fate"]
