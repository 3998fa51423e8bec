"""Faults: what a proxy logs, and when that proves a fault or its repair."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from loadgen.faults.cabinet import FAULTS, fault_proofs
from loadgen.faults.clients import ANSWERED
from loadgen.faults.fault import TIMES, Fault, Observed
from loadgen.meshstate.access_log import Entry, new_entries, parse

SYMPTOM = "503 no healthy upstream"
FAULT = Fault("UH", "istio-ingressgateway", SYMPTOM)


def observed(outcomes: dict[str, int], *, flagged: int, logged: int = TIMES) -> Observed:
    return Observed(Counter(outcomes), flagged, logged)


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
        (observed({SYMPTOM: 20}, flagged=20, logged=21), ("PASS", "INCONCLUSIVE")),
        (observed({SYMPTOM: 20}, flagged=0, logged=0), ("PASS", "INCONCLUSIVE")),
    ],
    ids=["all", "one answered", "one without the flag", "one of another client", "not logged"],
)
def test_a_fault_is_proven_by_all_requests(seen: Observed, expected: tuple[str, str]) -> None:
    """Each client gets the symptom, and the proxy logs the flag for these requests only."""
    assert verdicts(seen) == expected


def test_a_repair_is_proven_by_the_absence_of_the_flag() -> None:
    """All clients are served, and the proxy logs their requests without the flag."""
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


REFUSED = (
    '[2026-12-01T10:00:00.000Z] "POST /sentiment HTTP/1.1" 503 URX,UF upstream_reset{refused} - "refused"'
    ' 25 121 5 - "-" "curl" "1" "a" "127.0.0.1:8081" inbound|8081|| - 10.0.0.1:80 10.0.0.2:4 '
    "outbound_.80_._.webapp.sentimesh.svc.cluster.local default"
)
CALL = (
    '[2026-12-01T10:00:01.000Z] "POST /analyse/sentiment HTTP/1.1" 503 FI fault_filter_abort - "-" 0 18 0 -'
    ' "-" "webapp" "1" "logic" "-" outbound|80|v1|logic.sentimesh.svc.cluster.local - 10.0.0.1:4 10.0.0.2:4'
    " - -"
)
DENIED = "rbac_access_denied_matched_policy[none]"
AS_JSON = json.dumps(
    {
        "method": "GET",
        "path": "/about",
        "response_flags": "-",
        "response_code_details": DENIED,
        "upstream_cluster": "inbound|8080||",
    }
)


def test_entries_are_read_in_both_formats() -> None:
    """A request may have several flags; other lines of a proxy's log are no entries."""
    entry = parse(REFUSED)

    assert entry == Entry("URX,UF", "upstream_reset{refused}", request="POST /sentiment")
    assert (entry.has("UF"), entry.has("U")) == (True, False)
    assert parse(AS_JSON) == Entry("-", DENIED, request="GET /about")
    assert parse("2026-12-01T10:00:00Z info Envoy proxy is ready") is None
    assert parse('{"level": "info"}') is None


def test_new_entries_of_a_sidecar_are_those_of_requests_to_its_pod() -> None:
    """Those behind the last line of before, without the calls of the pod itself, which a gateway's are."""
    before, after = {"pod": [AS_JSON, CALL]}, {"pod": [CALL, REFUSED, CALL.replace("01.000", "02.000")]}

    to_pod = new_entries(before, after, "webapp")

    assert [entry.flags for entry in to_pod] == ["URX,UF"]
    assert [entry.flags for entry in new_entries(before, after, "istio-ingressgateway")] == ["URX,UF", "FI"]
    assert new_entries({}, before, "webapp") == [Entry("-", DENIED, request="GET /about")]
