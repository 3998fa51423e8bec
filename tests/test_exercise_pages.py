"""Each page of the workshop ends with its exercises, and the teachers' page has all that is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.live import ROOT
from workshop.loading import load_all

PAGES = sorted((ROOT / "docs" / "workshop").glob("[0-9][0-9]-*.md"))
TEACHING = ROOT / "docs" / "workshop" / "teaching.md"
EXERCISES = load_all(ROOT / "workshop")
HEADING = "## Exercises\n"


def section(page: Path) -> str:
    """The exercises of a page, as a section; empty if it has none."""
    own = [exercise for exercise in EXERCISES if exercise.page == int(page.name[:2])]
    if not own:
        return ""
    rows = "".join(f"| `workshop start {exercise.name}` | {exercise.title} |\n" for exercise in own)
    return (
        f"{HEADING}\n[Exercises](exercises.md) check themselves: `workshop check` says what it observed, "
        f"`workshop hint` helps.\n\n| exercise | what to reach |\n|---|---|\n{rows}"
    )


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_ends_with_its_exercises_as_golden(page: Path, *, update_golden: bool) -> None:
    """By their titles; a page without exercises has no such section."""
    before, heading, found = page.read_text().partition(HEADING)
    if update_golden and heading + found != section(page):
        page.write_text(f"{before.rstrip()}\n\n{section(page)}".rstrip() + "\n")
        return

    assert heading + found == section(page)


def test_the_page_for_teachers_has_every_broken_configuration() -> None:
    """In their order, with their titles."""
    broken = [(exercise.name, exercise.title) for exercise in EXERCISES if exercise.page is None]

    rows = re.findall(r"^\| `(break-\d+)` \| ([^|]+) \|", TEACHING.read_text(), flags=re.MULTILINE)

    assert rows == broken
    assert len(broken) == 10


def test_every_exercise_belongs_to_a_page() -> None:
    """Those that are not on a page are broken configurations."""
    assert {exercise.name for exercise in EXERCISES if exercise.page is None} == {
        folder.name for folder in (ROOT / "workshop" / "broken").iterdir()
    }
