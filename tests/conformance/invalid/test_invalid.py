"""localmesh rejects what the API server and Istio's webhook reject, at the same field, and nothing else.

The answers are recorded from a real cluster; see record.py.
"""

from __future__ import annotations

import pytest

from localmesh.manifests import load
from localmesh.problems import ManifestError, Problem
from localmesh.translate import translate
from localmesh.translate.from_manifests import proxies
from tests.conformance.invalid.answers import Case, cases, deviations, recorded

CASES = cases()
ANSWERS = recorded()["answers"]
REJECTED = [case for case in CASES if not ANSWERS[case.name]["accepted"]]
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


@pytest.mark.parametrize("case", REJECTED, ids=lambda case: case.name)
def test_what_the_cluster_rejects_is_rejected_at_the_same_field(case: Case) -> None:
    """The recorded answer refers to the field, by its path or by another name."""
    answer = ANSWERS[case.name]["words"]

    reported = problems(case)

    assert case.named in answer
    assert any(names(problem, case.field) for problem in reported), [str(problem) for problem in reported]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_what_the_cluster_accepts_is_accepted(case: Case) -> None:
    """Unusual objects included; a deviation has a reason, and an obsolete one fails."""
    reported = problems(case)

    assert bool(reported) == (case.name in DEVIATIONS), [str(problem) for problem in reported]


def test_every_case_has_an_answer_and_every_answer_a_case() -> None:
    """At least 40 rejected and 15 accepted objects."""
    assert {case.name for case in CASES} == set(ANSWERS)
    assert set(DEVIATIONS) <= set(ANSWERS)
    assert len(REJECTED) >= 40
    assert len(ACCEPTED) >= 15
