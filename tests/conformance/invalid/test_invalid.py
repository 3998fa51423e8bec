"""What the API server and Istio's webhook refuse, localmesh refuses at the same field; and no more.

The answers are recorded from a real cluster; see record.py.
"""

from __future__ import annotations

import pytest

from localmesh.explain.from_manifests import proxies
from localmesh.manifests import load
from localmesh.problems import ManifestError, Problem
from localmesh.translate import translate
from tests.conformance.invalid.answers import Case, cases, deviations, recorded

CASES = cases()
ANSWERS = recorded()["answers"]
REFUSED = [case for case in CASES if not ANSWERS[case.name]["accepted"]]
ACCEPTED = [case for case in CASES if ANSWERS[case.name]["accepted"]]
DEVIATIONS = deviations()


def problems(case: Case) -> tuple[Problem, ...]:
    """What localmesh has against an object; what it takes is also translated."""
    try:
        loaded = load(files=[case.path])
    except ManifestError as error:
        return error.problems
    catalog, found = proxies(loaded.resources)
    for proxy in found:
        translate(catalog, proxy)
    return ()


def names(problem: Problem, field: str) -> bool:
    """Whether a problem is with a field: at its place, inside it, or a level above, where it is missing."""
    path = str(problem.path)
    if path == field or path.startswith((f"{field}.", f"{field}[")):
        return True
    above, _, last = field.rpartition(".")
    return path == above and last in problem.message


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_the_cluster_refuses_is_refused_at_the_same_field(case: Case) -> None:
    """The field is the one of the recorded answer, which either has its path or a word for it."""
    answer = ANSWERS[case.name]["words"]

    found = problems(case)

    assert case.named in answer
    assert any(names(problem, case.field) for problem in found), [str(problem) for problem in found]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_the_cluster_accepts_is_accepted(case: Case) -> None:
    """However odd it is, unless a deviation gives a reason; a deviation that is none any more fails."""
    found = problems(case)

    assert bool(found) == (case.name in DEVIATIONS), [str(problem) for problem in found]


def test_every_case_has_an_answer_and_every_answer_a_case() -> None:
    """Forty and more refusals, fifteen and more odd objects; nothing is left over."""
    assert {case.name for case in CASES} == set(ANSWERS)
    assert set(DEVIATIONS) <= set(ANSWERS)
    assert len(REFUSED) >= 40
    assert len(ACCEPTED) >= 15
