"""The proof of injected faults: what is configured for whom, and made-up measurements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.fault_injection import CONTROL, GROUPS, OTHER, TESTER, judge, load_plan, read
from loadgen.statistics.judge import Cause, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, logic_route, manifests, resources

PATCH = "istio/overlays/fault-injection/virtualservice-logic-faults-for-tester.yaml"
WEBAPP = Hop("webapp", "v1", "webapp-v1-1")
LOGIC = Hop("logic", "v1", "logic-v1-1")
COUNT = 2500


def overlay() -> Objects:
    return manifests(*BASE, PATCH)


EXPECTATION = read(resources(manifests(*BASE, PATCH)))
ROUND = len(GROUPS)


def numbers(group: str) -> list[int]:
    """The numbers of a group's requests."""
    return [number for number in range(COUNT) if GROUPS[number % ROUND] == group]


def measurement() -> Measurement:
    """A mesh that does as configured: of every 20 of the tester's requests 5 are aborted and 8 are late."""
    observations = [Observation(number, 200, (WEBAPP, LOGIC), 0.01) for number in range(COUNT)]
    for number in numbers(CONTROL):
        observations[number] = Observation(number, 405, (WEBAPP,), 0.01)
    for turn, number in enumerate(numbers(TESTER)):
        late = 1.01 if turn % 5 < 2 else 0.01
        if turn % 20 < 5:
            body = b'{"upstream": {"service": "logic", "status": 503}}'
            observations[number] = Observation(number, 502, (WEBAPP,), late, body=body)
        else:
            observations[number] = replace(observations[number], latency_seconds=late)
    return Measurement(observations, planned=COUNT)


def changed(numbers: Iterable[int], **values: Any) -> Measurement:
    """The measurement with some of its observations changed."""
    made = measurement()
    for number in numbers:
        made.observations[number] = replace(made.observations[number], **values)
    return made


def slower(made: Measurement, seconds: float) -> Measurement:
    """The measurement on a machine that takes so much longer for everything."""
    slow = [replace(one, latency_seconds=one.latency_seconds + seconds) for one in made.observations]
    return replace(made, observations=slow)


def verdicts(made: Measurement) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in judge(EXPECTATION, made)}


def failing(made: Measurement) -> set[str]:
    return {name for name, verdict in verdicts(made).items() if verdict is Verdict.FAIL}


FIRST_OF_OTHERS = GROUPS.index(OTHER)
SPARED = 23 * ROUND
"""The number of a request of the tester that is neither delayed nor aborted."""


def test_the_overlay_is_read_as_its_page_says():
    """Shares, status and length for the tester, nothing for others; webapp's threads suffice."""
    plan = load_plan(EXPECTATION)

    assert (EXPECTATION.tester.abort_share, EXPECTATION.tester.abort_status) == (0.25, 503)
    assert (EXPECTATION.tester.delay_share, EXPECTATION.tester.delay_seconds) == (0.4, 1.0)
    assert not EXPECTATION.others.any
    assert plan.rate == pytest.approx(250)


def test_every_group_sends_its_own_requests():
    """The tester and others the same sentences, with another header; the control none at all."""
    plan = load_plan(EXPECTATION)
    users = [dict(request.headers).get("end-user") for request in plan.requests]

    assert users == [TESTER, OTHER, TESTER, OTHER, None] * (len(plan.requests) // ROUND)
    assert [request.method for request in plan.requests[:ROUND]] == ["POST"] * 4 + ["GET"]
    assert plan.requests[0].body == plan.requests[1].body != plan.requests[2].body
    assert plan.count % ROUND == 0


def test_the_configured_shares_pass():
    """All checks."""
    assert set(verdicts(measurement()).values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("number", "change", "check"),
    [
        (FIRST_OF_OTHERS, {"status": 502}, "others' failures"),
        (FIRST_OF_OTHERS, {"latency_seconds": 1.2}, "others' delays"),
        (SPARED, {"status": 502}, "tester's other failures"),
        (SPARED, {"status": 503, "hops": ()}, "tester's other failures"),
    ],
)
def test_one_request_that_should_be_spared_fails(number: int, change: dict, check: str):
    """Others' failures and delays, and failures of the tester's that logic took part in."""
    assert failing(changed([number], **change)) == {check}


@pytest.mark.parametrize("body", [b'{"upstream": {"service": "logic", "status": 500}}', b"oh"])
def test_one_abort_with_another_status_fails(body: bytes):
    """webapp reports the configured status of every abort."""
    assert failing(changed([0], body=body)) == {"aborts not with 503"}


def test_a_mesh_without_faults_fails():
    """Nothing of what is configured is observed."""
    made = changed(numbers(TESTER), status=200, hops=(WEBAPP, LOGIC), latency_seconds=0.01)

    assert {"tester's aborts", "tester's delays"} <= failing(made)


def test_no_data_proves_nothing():
    """Neither right nor wrong."""
    assert set(verdicts(Measurement(planned=COUNT)).values()) == {Verdict.INCONCLUSIVE}


def test_faults_that_are_missing_or_for_everyone_are_reported():
    """On the base, without a percentage, and without the match."""
    without_percentage, for_all, short = overlay(), overlay(), overlay()
    for part in ("abort", "delay"):
        del logic_route(without_percentage)["fault"][part]["percentage"]
    del logic_route(for_all)["match"]
    logic_route(short)["fault"]["delay"]["fixedDelay"] = "20ms"

    with pytest.raises(NotConfigured, match="nothing is injected"):
        read(resources(base()))
    with pytest.raises(NotConfigured, match="nothing is injected"):
        read(resources(without_percentage))
    with pytest.raises(NotConfigured, match="for everyone"):
        read(resources(for_all))
    with pytest.raises(UnsupportedConfig, match="not distinguishable from a slow answer"):
        read(resources(short))


class TestBusyMachine:
    """Control requests, which nothing delays, tell a slow machine from a wrong mesh."""

    def test_delays_for_everyone_fail_where_controls_are_fast(self):
        """The machine was quick: the mesh delays whom it should spare."""
        made = changed([*numbers(TESTER), *numbers(OTHER)], latency_seconds=1.01)

        assert failing(made) == {"tester's delays", "others' delays"}

    def test_delays_for_everyone_are_open_where_controls_are_slow(self):
        """It may have been the machine. Aborts do not depend on time."""
        checks = {check.name: check for check in judge(EXPECTATION, slower(measurement(), 1.0))}

        assert checks["others' delays"].cause is checks["tester's delays"].cause is Cause.BUSY
        assert checks["tester's aborts"].verdict is Verdict.PASS

    def test_the_right_share_is_open_where_controls_are_slow(self):
        """The machine may have added delays that the mesh did not inject."""
        made = changed(numbers(CONTROL), latency_seconds=1.0)

        assert verdicts(made)["tester's delays"] is Verdict.INCONCLUSIVE
        assert verdicts(made)["others' delays"] is Verdict.PASS

    def test_slowness_shorter_than_the_delay_adds_none(self):
        """Controls took less than the delay; a delay of others would be open all the same."""
        made = changed(numbers(CONTROL), latency_seconds=0.6)

        assert set(verdicts(made).values()) == {Verdict.PASS}
        made.observations[FIRST_OF_OTHERS] = replace(made.observations[FIRST_OF_OTHERS], latency_seconds=1.0)
        assert verdicts(made)["others' delays"] is Verdict.INCONCLUSIVE

    def test_too_few_delays_fail_however_slow_the_machine_is(self):
        """No machine makes a delay shorter."""
        made = changed(numbers(TESTER), latency_seconds=0.01)

        assert verdicts(replace(made, lateness_seconds=0.3))["tester's delays"] is Verdict.FAIL

    def test_a_few_slow_controls_excuse_nothing(self):
        """Up to 1 in 100: no stall as long as the delay leaves so few."""
        made = changed([*numbers(OTHER)[:7]], latency_seconds=1.1)
        for number in numbers(CONTROL)[:4]:
            made.observations[number] = replace(made.observations[number], latency_seconds=0.6)

        assert verdicts(made)["others' delays"] is Verdict.FAIL

    @pytest.mark.parametrize(("slow", "verdict"), [(3.0, Verdict.INCONCLUSIVE), (0.01, Verdict.FAIL)])
    def test_lost_answers_are_open_where_controls_are_slow(self, slow: float, verdict: Verdict):
        """Where controls were fast, a lost answer is the mesh's."""
        made = slower(measurement(), slow)
        for number in numbers(OTHER)[:200]:
            made.observations[number] = Observation(number, None, (), 16.0, Loss.TIMEOUT)

        assert verdicts(made)["others' failures"] is verdict

    def test_other_failures_are_exact_however_slow_the_machine_is(self):
        """They do not depend on time."""
        made = slower(changed([FIRST_OF_OTHERS], status=503, hops=()), 3.0)

        assert verdicts(made)["others' failures"] is Verdict.FAIL

    def test_the_reason_has_the_figure_and_its_bound(self):
        """And ends with the remedy."""
        made = replace(changed(numbers(OTHER), latency_seconds=1.01), lateness_seconds=0.3)

        checks = {check.name: check for check in judge(EXPECTATION, made)}

        assert checks["others' delays"].reason.endswith(
            "1 in 100 requests was sent more than 300 ms late, the bound is 250 ms; "
            "run it again when the machine is less busy"
        )
