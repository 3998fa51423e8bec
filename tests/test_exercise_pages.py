"""Each page of the workshop ends with its exercises, and the teachers' page has all that is broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import LoadResult, load_text
from localmesh.runtime.changes import merged
from tests.live import ROOT, loaded
from workshop.exercise import SOLUTION, Exercise
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


@pytest.mark.parametrize("page", range(1, len(PAGES) + 1))
def test_every_page_has_at_least_two_exercises(page: int) -> None:
    """Who has solved the first with help tries the second alone."""
    assert len([exercise for exercise in EXERCISES if exercise.page == page]) >= 2


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_a_solution_causes_no_warning(exercise: Exercise) -> None:
    """What is applied last is what trainees take home."""
    start = loaded(exercise.start)
    solution = load_text(exercise.solution, SOLUTION, "sentimesh").resources

    solved = LoadResult(tuple(merged(start.resources, solution)))

    assert list(map(str, analyze_manifests(solved))) == []


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
