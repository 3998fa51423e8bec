"""Every case file: the expected problems on their lines, all of them and no others."""

import pytest

from localmesh.problems.codes import CODES
from localmesh.tests.manifests.case_files import Case, cases, problems

WITHOUT_MANIFEST = {"SM001", "SM004", "SM005"}
"""About files and programs, not about the text of a manifest: tested in test_files and test_kustomize."""


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.path.stem)
def test_a_case_has_exactly_the_problems_on_its_lines(case: Case) -> None:
    """Each expected problem is found where it is written, and nothing else is."""
    found = problems(case.text, case.path.name)

    missing = [each for each in case.expected if not any(map(each.fits, found))]
    surplus = [str(problem) for problem in found if not any(each.fits(problem) for each in case.expected)]
    assert (missing, surplus) == ([], [])
    assert case.expected


def test_every_code_has_a_case() -> None:
    """A code without a manifest that causes it is not a code."""
    shown = {case.path.stem[:5].upper() for case in cases()}

    assert set(CODES) - shown == WITHOUT_MANIFEST


def test_a_case_named_after_a_code_causes_it() -> None:
    """The section of a code in docs/errors.md shows that code."""
    for case in cases():
        if case.path.parent.name == "cases":
            assert [each.code for each in case.expected] == [case.path.stem[:5].upper()]
