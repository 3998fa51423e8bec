"""Faults: what a proxy counts, and when that proves a fault or its repair."""

from __future__ import annotations

from collections import Counter

import pytest

from loadgen.faults.cabinet import FAULTS, fault_proofs
from loadgen.faults.clients import ANSWERED
from loadgen.faults.fault import TIMES, Fault, Observed
from loadgen.meshstate.response_flags import Answer, answers_in

SYMPTOM = "503 no healthy upstream"
FAULT = Fault("UH", "istio-ingressgateway", SYMPTOM)


def observed(outcomes: dict[str, int], *, flagged: int, counted: int = TIMES) -> Observed:
    return Observed(Counter(outcomes), flagged, counted)


def verdicts(seen: Observed) -> tuple[str, str]:
    """The verdicts on the answers and on the flag, by the proof of the fault."""
    answers, flag = FAULT.proofs[0].judge(None, seen)
    return str(answers.verdict), str(flag.verdict)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (observed({SYMPTOM: 20}, flagged=20), ("PASS", "PASS")),
        (observed({SYMPTOM: 19, "200": 1}, flagged=20), ("FAIL", "PASS")),
        (observed({SYMPTOM: 20}, flagged=19), ("PASS", "FAIL")),
        (observed({SYMPTOM: 20}, flagged=20, counted=21), ("PASS", "INCONCLUSIVE")),
        (observed({SYMPTOM: 20}, flagged=0, counted=0), ("PASS", "INCONCLUSIVE")),
    ],
    ids=["all", "one answered", "one without the flag", "one of another client", "not counted"],
)
def test_a_fault_is_proven_by_all_requests(seen: Observed, expected: tuple[str, str]) -> None:
    """Each client gets the symptom, and the proxy counts the flag for these requests only."""
    assert verdicts(seen) == expected


def test_a_repair_is_proven_by_the_absence_of_the_flag() -> None:
    """All clients are served, and the proxy counts their requests without the flag."""
    judge = FAULT.proofs[1].judge

    repaired = judge(None, observed({ANSWERED: 20}, flagged=0))
    broken = judge(None, observed({ANSWERED: 19, SYMPTOM: 1}, flagged=1))

    assert [str(check.verdict) for check in repaired] == ["PASS", "PASS"]
    assert [check.reason for check in broken] == [
        f"expected 20 × {ANSWERED}, observed 19 × {ANSWERED}, 1 × {SYMPTOM}",
        "expected 0 of 20, observed 1 of 20",
    ]


def test_every_flag_has_one_fault() -> None:
    """The name of a fault is that of its folder; its repair is in it."""
    names = [name for fault in FAULTS for name in (fault.name, f"{fault.name}/repaired")]

    assert list(fault_proofs()) == names
    assert len({fault.flag for fault in FAULTS}) == len(FAULTS)


def test_answers_are_those_of_one_reporter() -> None:
    """The proxy's other metrics are skipped; a request may have several flags."""
    lines = [
        "# TYPE istio_requests_total counter",
        'istio_requests_total{reporter="source",response_code="503",response_flags="UF,URX"} 2',
        'istio_requests_total{reporter="source",response_code="200",response_flags="-"} 3',
        'istio_requests_total{reporter="destination",response_code="200",response_flags="-"} 4',
        "envoy_cluster_upstream_cx_total{} 5",
    ]

    answers = answers_in(lines, "source")

    assert answers == {Answer("503", "UF,URX"): 2, Answer("200", "-"): 3}
    assert Answer("503", "UF,URX").has("URX")
    assert not Answer("503", "UF,URX").has("UR")
