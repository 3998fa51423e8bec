"""Configurations that are broken on purpose: the output alone names the cause.

Each case says what is broken, which request is asked about, and the words that name the cause. `make golden`
rewrites the expected outputs: read the difference before committing it.
"""

from __future__ import annotations

import difflib
import re
import shlex
from pathlib import Path

import pytest

from localmesh.cli.commands import run
from localmesh.tests.explain.broken_cases import CASES, FOLDER, head


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_the_output_names_the_cause_and_is_golden(
    case: Path,
    update_golden: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The explanation is that of the golden file, and has the words that name the cause."""
    monkeypatch.chdir(FOLDER)
    expected_file = case.with_suffix(".txt")

    status = run(["explain", *shlex.split(head(case, "explain")), "-f", "_shop.yaml", "-f", case.name])

    actual = capsys.readouterr().out
    if update_golden:
        expected_file.write_text(actual)
    expected = expected_file.read_text() if expected_file.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected", "actual")
    )
    assert status == 0
    assert actual == expected, f"{difference}\n\nIf the change is intended: make golden"
    assert head(case, "cause") in re.sub(r"\s+", " ", actual)


def test_every_expected_output_has_a_case() -> None:
    """An expected output without a case is never compared."""
    assert {path.stem for path in FOLDER.glob("*.txt")} == {case.stem for case in CASES}
