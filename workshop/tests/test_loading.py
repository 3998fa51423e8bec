"""Exercises are read from files; a mistake in one is a single line that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgen.errors import UsageError
from workshop.loading import find, load, names

WORKSHOP = Path(__file__).parents[1]
EXERCISE = """\
title: A title
task: Do it.
start: ../start
hint: Think.
check:
  - who: everybody
    send: GET /
    expect: {frontend: {v1: 70, v2: [10, 40]}, status: 200}
"""


def written(folder: Path, text: str, name: str = "exercise-1") -> Path:
    """The folder of an exercise with this content."""
    own = folder / "exercises" / name
    own.mkdir(parents=True)
    (own / "exercise.yaml").write_text(text)
    return own


def test_shares_are_percent_or_a_range_or_everything(tmp_path: Path) -> None:
    """A value alone is expected of all requests."""
    (group,) = load(written(tmp_path, EXERCISE)).groups

    shares = {(item.facet, item.value): (item.low, item.high) for item in group.expected}

    assert shares == {
        ("frontend", "v1"): (0.7, 0.7),
        ("frontend", "v2"): (0.1, 0.4),
        ("status", "200"): (1.0, 1.0),
    }


def test_a_sentence_is_the_body_of_what_is_sent_to_its_path(tmp_path: Path) -> None:
    """Others are named."""
    text = EXERCISE.replace("GET /", "POST /sentiment")

    (group,) = load(written(tmp_path, text)).groups

    assert b"sentence" in group.request.body
    assert dict(group.request.headers) == {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("title: A title", "titel: A title", '"title" is a required property'),
        ("GET /", "GET", 'check.0.send: "GET" does not match'),
        ("v1: 70", "v1: 170", "check.0.expect.frontend: {"),
        ("hint: Think.", "hint: [", "is not YAML"),
        (
            "hint: Think.",
            "hint: Think.\nmistakes: [{name: a, hint: b, seen: {nobody: {status: 200}}}]",
            'mistake a: seen: nobody is called "nobody" in check; there are everybody',
        ),
    ],
)
def test_a_mistake_in_a_file_is_one_line(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    """It names the file, and the field where there is one."""
    folder = written(tmp_path, EXERCISE.replace(right, wrong))

    with pytest.raises(UsageError) as raised:
        load(folder)

    assert str(raised.value).startswith(f"{folder}/exercise.yaml")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_is_answered_with_the_closest_one() -> None:
    """The folder of the repository has it."""
    with pytest.raises(UsageError, match='no exercise is named "canari-1"; did you mean "canary-1"'):
        find(WORKSHOP, "canari-1")


def test_broken_configurations_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """After all exercises."""
    for name in ("break-10", "break-9", "canary-1"):
        written(tmp_path, EXERCISE, name)

    assert names(tmp_path) == ["canary-1", "break-9", "break-10"]


def test_without_a_folder_the_error_says_where_to_call_it(tmp_path: Path) -> None:
    """The commands are called at the root of the repository."""
    with pytest.raises(UsageError, match="run this at the root of the repository"):
        names(tmp_path / "workshop")
