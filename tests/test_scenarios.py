"""Proofs can fail: each finds the fault of an overlay, or of a mesh, that is wrong in one respect.

That the unedited overlays are proved is tested by their pages (tests/test_pages.py), and that all proofs fail
on the plain application by tests/test_proofs.py.
"""

from __future__ import annotations

import contextlib

import pytest

from loadgen.proofs.common.proof import ProofContext
from tests.proof_mesh import MEASUREMENTS, ProofMesh, Proven, SmallerSamples, translated_wrongly
from tests.scenarios import security, traffic
from tests.scenarios.case import FAIL, INCONCLUSIVE, NOT_PASS, PASS, Case, quick
from tests.scenarios.groups import group_of


def params(cases: tuple[Case, ...]) -> list[object]:
    """Each case, in the group of its scenario."""
    return [pytest.param(case, id=str(case), marks=group_of(case.scenario)) for case in cases]


@pytest.mark.mesh
@pytest.mark.parametrize("case", params(traffic.CASES))
def test_traffic(mesh: ProofMesh, case: Case) -> None:
    """Scenarios that send much, or measure time.

    Most faults are large enough to be noticed in a part of the requests that exclude smaller ones.
    """
    check(case, prove(mesh, case, ProofContext if case.needs_all_requests else SmallerSamples))


@pytest.mark.mesh
@pytest.mark.parametrize("case", params(security.CASES))
def test_security(mesh: ProofMesh, case: Case) -> None:
    """Scenarios that send a few requests."""
    check(case, prove(mesh, case))


def prove(mesh: ProofMesh, case: Case, context: type[ProofContext] = ProofContext) -> Proven:
    """The proof of the case; the plain application comes first, so that all of an overlay is sent again."""
    mesh.apply(list(quick("base", case.scenario)))
    fault = translated_wrongly(case.fault) if case.fault else contextlib.nullcontext()
    with fault:
        mesh.apply(case.manifests(list(quick(case.scenario))))
        for _ in range(MEASUREMENTS - 1):
            proven = mesh.prove(case.scenario, context)
            if not _is_missing(case, proven):
                return proven
        return mesh.prove(case.scenario, context)


def _is_missing(case: Case, proven: Proven) -> bool:
    """Whether a check has no verdict, as the machine was busy: only that is measured again."""
    expected = [
        (case.verdict, proven.verdict),
        *((case.checks[name], proven.verdicts[name]) for name in case.checks),
    ]
    return any(found == INCONCLUSIVE and wanted in (FAIL, PASS) for wanted, found in expected)


def check(case: Case, proven: Proven) -> None:
    failed = {name for name, verdict in proven.verdicts.items() if verdict == "FAIL"}
    assert proven.verdict == case.verdict, str(proven)
    assert {name: proven.verdicts[name] for name in case.checks if case.checks[name] != NOT_PASS} == {
        name: verdict for name, verdict in case.checks.items() if verdict != NOT_PASS
    }
    assert not [
        name for name in case.checks if case.checks[name] == NOT_PASS and proven.verdicts[name] == PASS
    ]
    if case.fails_only is not None:
        assert failed == case.fails_only
    if case.fails_where_expected:
        assert failed == {
            name for name, expected in proven.expected.items() if case.fails_where_expected in expected
        }
    assert {name: proven.expected[name] for name in case.expects} == dict(case.expects)
    assert case.says in str(proven)
