"""The proof of injected faults: what is in force for whom, and made-up tallies judged by it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.fault_injection import Plan, judged, load_plan, plan_in_force
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, logic_route, manifests, resources

PATCH = "istio/overlays/fault-injection/virtualservice-logic-faults-for-tester.yaml"
WEBAPP = Hop("webapp", "v1", "webapp-v1-1")
LOGIC = Hop("logic", "v1", "logic-v1-1")


def overlay() -> Objects:
    return manifests(*BASE, PATCH)


def plan() -> Plan:
    return plan_in_force(resources(overlay()))


def measurement() -> Measurement:
    """What a mesh does that does as told: of every 20 of the tester's requests 5 abort and 8 are late."""
    observations = []
    for number in range(2000):
        turn = number // 2 % 20
        late = 1.01 if number % 2 == 0 and turn % 5 < 2 else 0.01
        aborted = number % 2 == 0 and turn < 5
        hops = (WEBAPP,) if aborted else (WEBAPP, LOGIC)
        body = b'{"upstream": {"service": "logic", "status": 503}}' if aborted else b""
        observations.append(Observation(number, 502 if aborted else 200, hops, late, body=body))
    return Measurement(observations)


def verdicts(found: Measurement) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in judged(plan(), 2000, found)}


def test_the_overlay_is_read_as_its_page_says():
    """Shares, status and length for the tester, nothing for others; webapp's threads suffice."""
    found = plan()

    assert (found.tester.abort_share, found.tester.abort_status) == (0.25, 503)
    assert (found.tester.delay_share, found.tester.delay_seconds) == (0.4, 1.0)
    assert not found.others.any
    assert load_plan(found).rate == pytest.approx(200)


def test_the_shares_in_force_pass():
    """All checks."""
    assert set(verdicts(measurement()).values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("number", "change", "check"),
    [
        (1, {"status": 502}, "others' failures"),
        (1, {"latency_seconds": 1.2}, "others' delays"),
        (38, {"status": 502}, "tester's other failures"),
        (38, {"status": 503, "hops": ()}, "tester's other failures"),
    ],
)
def test_one_request_that_should_be_spared_fails(number: int, change: dict, check: str):
    """Others' failures and delays, and failures of the tester's that logic took part in."""
    found = measurement()
    found.observations[number] = replace(found.observations[number], **change)

    assert {name for name, verdict in verdicts(found).items() if verdict is Verdict.FAIL} == {check}


@pytest.mark.parametrize("body", [b'{"upstream": {"service": "logic", "status": 500}}', b"oh"])
def test_one_abort_with_another_status_fails(body: bytes):
    """What webapp was answered is the status in force, in every abort."""
    found = measurement()
    found.observations[0] = replace(found.observations[0], body=body)

    assert {name for name, verdict in verdicts(found).items() if verdict is Verdict.FAIL} == {
        "aborts not with 503"
    }


def test_a_mesh_without_faults_fails():
    """Nothing of what is in force is observed."""
    found = Measurement([Observation(number, 200, (WEBAPP, LOGIC), 0.01) for number in range(2000)])

    assert verdicts(found)["tester's aborts"] is Verdict.FAIL
    assert verdicts(found)["tester's delays"] is Verdict.FAIL


def test_no_data_proves_nothing():
    """Neither right nor wrong."""
    assert set(verdicts(Measurement()).values()) == {Verdict.INCONCLUSIVE}


def test_faults_that_are_not_there_or_for_all_are_said():
    """On the base, without a percentage, and without the match."""
    without_percentage, for_all, short = overlay(), overlay(), overlay()
    for part in ("abort", "delay"):
        del logic_route(without_percentage)["fault"][part]["percentage"]
    del logic_route(for_all)["match"]
    logic_route(short)["fault"]["delay"]["fixedDelay"] = "20ms"

    with pytest.raises(NotConfigured, match="nothing is injected"):
        plan_in_force(resources(base()))
    with pytest.raises(NotConfigured, match="nothing is injected"):
        plan_in_force(resources(without_percentage))
    with pytest.raises(NotConfigured, match="for everybody"):
        plan_in_force(resources(for_all))
    with pytest.raises(UnsupportedConfig, match="not told from a slow answer"):
        plan_in_force(resources(short))


def test_a_machine_that_stands_still_delays_nobody_on_purpose():
    """Where others took half of the delay, too, a longer one may be a stall: unknown, not wrong."""
    found = measurement()
    for number, latency in ((1, 0.6), (3, 1.2)):
        found.observations[number] = replace(found.observations[number], latency_seconds=latency)

    assert verdicts(found)["others' delays"] is Verdict.INCONCLUSIVE


def test_delays_for_everybody_are_no_stall():
    """All of one length, and far more than were delayed in part."""
    found = Measurement([replace(one, latency_seconds=1.01) for one in measurement().observations])
    found.observations[1] = replace(found.observations[1], latency_seconds=0.6)

    assert verdicts(found)["others' delays"] is Verdict.FAIL


def test_what_delays_the_others_may_have_delayed_the_tester():
    """Too many of the tester's are late, but a busy machine has made others late, too: unknown, not wrong."""
    found = measurement()
    for number in range(0, 2000, 8):
        for one, latency in ((number, 1.3), (number + 1, 1.3), (number + 3, 0.6)):
            found.observations[one] = replace(found.observations[one], latency_seconds=latency)

    assert verdicts(found)["tester's delays"] is Verdict.INCONCLUSIVE


def test_delays_of_the_tester_alone_are_no_stall():
    """Where nobody else is late, each that is late was delayed on purpose, and there are too many."""
    found = measurement()
    for number in range(0, 2000, 8):
        found.observations[number] = replace(found.observations[number], latency_seconds=1.01)

    assert verdicts(found)["tester's delays"] is Verdict.FAIL


def test_a_machine_far_too_slow_is_not_held_against_the_mesh():
    """Nearly everybody is late, most of them by far more than is injected, hardly anybody in part."""
    found = measurement()
    dice = random.Random(1)
    found.observations = [
        replace(one, latency_seconds=one.latency_seconds + dice.uniform(0.5, 6)) for one in found.observations
    ]

    assert verdicts(found)["others' delays"] is Verdict.INCONCLUSIVE
    assert verdicts(found)["tester's delays"] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("slow", "verdict"), [(3.0, Verdict.INCONCLUSIVE), (0.01, Verdict.FAIL)])
def test_what_a_slow_machine_does_not_answer_is_not_held_against_the_mesh(slow: float, verdict: Verdict):
    """Where others had to wait long for their answers; where those were fast, a lost one is a finding."""
    found = Measurement(
        [replace(one, latency_seconds=one.latency_seconds + slow) for one in measurement().observations]
    )
    for number in range(1, 400, 2):
        found.observations[number] = Observation(number, None, (), 16.0, Loss.TIMEOUT)

    assert verdicts(found)["others' failures"] is verdict


def test_a_machine_that_sends_late_itself_makes_no_delay_a_finding():
    """Where loadgen could not keep to its schedule, too many delays are open; too few still fail."""
    delayed = [replace(one, latency_seconds=1.01) for one in measurement().observations]
    spared = [replace(one, latency_seconds=0.01) for one in measurement().observations]

    too_many, too_few = (verdicts(Measurement(each, late_seconds=0.3)) for each in (delayed, spared))

    assert too_many["others' delays"] is too_many["tester's delays"] is Verdict.INCONCLUSIVE
    assert too_few["tester's delays"] is Verdict.FAIL


def test_what_to_do_is_said_where_the_machine_was_busy():
    """In a few words, at the end."""
    delayed = [replace(one, latency_seconds=1.01) for one in measurement().observations]

    checks = {check.name: check for check in judged(plan(), 2000, Measurement(delayed, late_seconds=0.3))}

    assert checks["others' delays"].reason.endswith(
        "this machine sent 1 of 100 requests more than 300 ms late; "
        "the machine was busy: try again when it is calm"
    )
