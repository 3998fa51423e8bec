"""docs/target.md as tests read it: its sections, their tables and what is written as code."""

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
    """What stands under a heading, up to the next."""
    return page().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def tables(heading: str) -> list[Rows]:
    """The tables of a section, each as rows without its head; cells without their marks of code."""
    return [[[cell.strip("`") for cell in row] for row in rows] for rows in _written(heading)]


def table(heading: str) -> Rows:
    """The only table of a section."""
    (only,) = tables(heading)
    return only


def code_in(heading: str) -> list[list[list[list[str]]]]:
    """The tables of a section, with what is written as code in each cell."""
    return [[[re.findall(r"`([^`]+)`", cell) for cell in row] for row in rows] for rows in _written(heading)]


def _written(heading: str) -> list[Rows]:
    blocks = re.findall(r"(?:^\|.*\n)+", section(heading) + "\n", flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()[2:]]
        for block in blocks
    ]


@cache
def fate() -> Callable[..., str]:
    """The function that the page gives to compute a request's fate."""
    code = re.search(r"```python\n(.*?)```", section("Fault switches"), flags=re.DOTALL)
    assert code is not None
    names: dict[str, Callable[..., str]] = {}
    exec(code[1], names)
    return names["fate"]
