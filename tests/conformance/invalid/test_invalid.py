"""localmesh refuses what the API server and Istio's webhook refuse, at the same field, and nothing else.

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
    """The problems that localmesh reports; objects without problems are translated too."""
    try:
        loaded = load(files=[case.path])
    except ManifestError as error:
        return error.problems
    catalog, known = proxies(loaded.resources)
    for proxy in known:
        translate(catalog, proxy)
    return ()


def names(problem: Problem, field: str) -> bool:
    """Whether a problem is about a field: at its path, inside it, or at its parent if it is missing."""
    path = str(problem.path)
    if path == field or path.startswith((f"{field}.", f"{field}[")):
        return True
    above, _, last = field.rpartition(".")
    return path == above and last in problem.message


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_the_cluster_refuses_is_refused_at_the_same_field(case: Case) -> None:
    """The field is that of the recorded answer, which has its path or another name for it."""
    answer = ANSWERS[case.name]["words"]

    found = problems(case)

    assert case.named in answer
    assert any(names(problem, case.field) for problem in found), [str(problem) for problem in found]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_the_cluster_accepts_is_accepted(case: Case) -> None:
    """However unusual it is, unless a deviation has a reason; an obsolete deviation fails."""
    found = problems(case)

    assert bool(found) == (case.name in DEVIATIONS), [str(problem) for problem in found]


def test_every_case_has_an_answer_and_every_answer_a_case() -> None:
    """At least 40 refused and 15 accepted objects, without any leftovers."""
    assert {case.name for case in CASES} == set(ANSWERS)
    assert set(DEVIATIONS) <= set(ANSWERS)
    assert len(REFUSED) >= 40
    assert len(ACCEPTED) >= 15
