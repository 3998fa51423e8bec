"""Every case file yields exactly the problems that are expected on its lines."""

import pytest

from localmesh.problems.codes import CODES
from localmesh.tests.manifests.case_files import Case, cases, problems

WITHOUT_MANIFEST = {"SM001", "SM004", "SM005", "SM229", "SM231", "SM236"}
"""Problems of files and programs: see test_files, test_kustomize, test_loading and test_programs."""


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.path.stem)
def test_a_case_has_exactly_the_problems_on_its_lines(case: Case) -> None:
    """Every expected problem is reported on its line, and no other."""
    reported = problems(case.text, case.path.name)

    missing = [expected for expected in case.expected if not any(map(expected.matches, reported))]
    unexpected = [str(p) for p in reported if not any(expected.matches(p) for expected in case.expected)]
    assert (missing, unexpected) == ([], [])
    assert case.expected


def test_every_code_has_a_case() -> None:
    """A code needs a manifest that causes it."""
    shown = {case.path.stem[:5].upper() for case in cases()}

    assert set(CODES) - shown == WITHOUT_MANIFEST


def test_a_case_named_after_a_code_causes_it() -> None:
    """The section of a code in docs/errors.md shows that code."""
    for case in cases():
        if case.path.parent.name == "cases":
            assert [expected.code for expected in case.expected] == [case.path.stem[:5].upper()]
