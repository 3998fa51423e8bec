"""The canary's proof: planned from the configuration, judged on made-up measurements."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.proofs.canary import PROOF, Expectation, judge, load_plan, read
from loadgen.statistics.judge import Cause, Verdict, overall
from loadgen.tests.stand_in_mesh import Objects, base, canary, logic_route, resources, set_environment

WEBAPP = Hop("webapp", "v1", "webapp-v1-1")


def expected_of(objects: Objects) -> Expectation:
    return read(resources(objects))


CANARY = expected_of(canary())


@functools.cache
def observed(status: int | None, version: str | None) -> Observation:
    """An answer through webapp that names a version of logic, or none; lost without a status."""
    if status is None:
        return Observation(0, None, (), 15.0, Loss.TIMEOUT)
    hops = (WEBAPP,) if version is None else (WEBAPP, Hop("logic", version, f"logic-{version}-1"))
    return Observation(0, status, hops, 0.01)


def drawn(
    count: int,
    shares: Mapping[str, float],
    failing: Mapping[str, float],
    *,
    seed: int = 1,
) -> Measurement:
    """A measurement on a mesh with these shares and failure shares."""
    dice = random.Random(seed)
    versions = dice.choices(list(shares), list(shares.values()), k=count)
    observations = [
        observed(502 if dice.random() < failing.get(version, 0) else 200, version) for version in versions
    ]
    return Measurement(observations, planned=count)


def verdicts(expectation: Expectation, measurement: Measurement) -> dict[str, Verdict]:
    """The verdict of each check."""
    return {check.name: check.verdict for check in judge(expectation, measurement)}


def as_configured(expectation: Expectation, *, seed: int = 1) -> Measurement:
    """A measurement on a mesh that does as configured."""
    split = expectation.split
    failing = {version: rates.failing for version, rates in split.fault_rates.items()}
    return drawn(load_plan(expectation).count, split.shares, failing, seed=seed)


class TestPlan:
    def test_enough_requests_to_detect_the_deviations(self):
        """2,700 requests for 80/20; so many at once that hanging ones do not hold the others up."""
        plan = load_plan(CANARY)

        assert (plan.count, plan.connections, plan.timeout_seconds) == (2700, 112, 18.0)

    @pytest.mark.parametrize(
        "weights", [{"v1": 99, "v2": 1}, {"v1": 90, "v2": 10}, {"v1": 50, "v2": 50}, {"v1": 100, "v2": 0}]
    )
    def test_the_number_adapts_within_bounds(self, weights: dict[str, int]):
        """At least 2,000, at most 8,000, in hundreds."""
        count = load_plan(expected_of(canary(**weights))).count

        assert 2000 <= count <= 8000
        assert count % 100 == 0

    def test_without_hanging_requests_few_at_once_are_enough(self):
        """More would only queue."""
        objects = canary()
        set_environment(objects, "logic-v2", FAULT_HANG_PERCENT="0")

        assert load_plan(expected_of(objects)).connections == 16


class TestVerdicts:
    @pytest.mark.parametrize("weights", [{}, {"v1": 50, "v2": 50}, {"v1": 90, "v2": 10}, {"v1": 99, "v2": 1}])
    def test_a_mesh_that_does_as_configured_passes(self, weights: dict[str, int]):
        """Whatever the weights are, in each of ten draws."""
        split = expected_of(canary(**weights))

        judged = [overall(verdicts(split, as_configured(split, seed=seed)).values()) for seed in range(10)]

        assert judged == [Verdict.PASS] * 10

    @pytest.mark.parametrize(
        "shares", [{"v1": 0.5, "v2": 0.5}, {"v1": 0.72, "v2": 0.28}, {"v1": 1.0, "v2": 0.0}]
    )
    def test_other_shares_than_configured_fail(self, shares: dict[str, float]):
        """Under an 80/20 manifest, in each of ten draws."""
        measurements = [drawn(2700, shares, {"v2": 0.65}, seed=seed) for seed in range(10)]

        assert all(
            verdicts(CANARY, measurement)["share of v2"] is Verdict.FAIL for measurement in measurements
        )

    def test_75_25_under_80_20_fails_with_the_stated_power(self):
        """In most of forty draws; the exact probability is computed in the tests of the design."""
        measurements = (drawn(2700, {"v1": 0.75, "v2": 0.25}, {}, seed=seed) for seed in range(40))

        failed = sum(
            verdicts(CANARY, measurement)["share of v2"] is Verdict.FAIL for measurement in measurements
        )

        assert failed >= 37

    def test_one_failure_of_the_sound_version_is_too_many(self):
        """v1 is not made to fail; the reason counts the versions that failing answers name."""
        measurement = as_configured(CANARY)
        sound = next(i for i, one in enumerate(measurement.observations) if one.version_of("logic") == "v1")
        measurement.observations[sound] = observed(502, "v1")

        checks = {check.name: check for check in judge(CANARY, measurement)}

        assert checks["only v2 fails"].verdict is Verdict.FAIL
        assert checks["only v2 fails"].reason.endswith("; 1 failing answers name v1")

    def test_a_failing_answer_that_names_no_version_is_held_against_the_mesh(self):
        """It cannot be attributed to v2."""
        measurement = as_configured(CANARY)
        measurement.observations[0] = observed(503, None)

        judged = verdicts(CANARY, measurement)

        assert judged.pop("only v2 fails") is Verdict.FAIL
        assert set(judged.values()) == {Verdict.PASS}

    def test_a_request_without_answer_leaves_open_who_failed_it(self):
        """Not proven is INCONCLUSIVE, and the reason says why."""
        measurement = as_configured(CANARY)
        measurement.observations[0] = observed(None, None)

        checks = {check.name: check for check in judge(CANARY, measurement)}

        assert checks["only v2 fails"].verdict is Verdict.INCONCLUSIVE
        assert "who failed 1 is unknown" in checks["only v2 fails"].reason
        assert checks["share of v2"].measured.count.unknown == 1

    def test_a_request_that_was_not_waited_for_is_not_a_failure(self):
        """Ctrl-C hits the slow version's requests more often: nothing may follow from that."""
        measurement = as_configured(CANARY)
        measurement.observations[:300] = [Observation(0, None, (), 1.0, Loss.ABANDONED)] * 300

        assert set(verdicts(CANARY, measurement).values()) == {Verdict.INCONCLUSIVE}

    def test_answers_that_name_no_version_are_counted_and_shown(self):
        """Many of them leave the shares open, however well the others fit."""
        measurement = as_configured(CANARY)
        measurement.observations[:500] = [observed(200, None) for _ in range(500)]

        checks = {check.name: check for check in judge(CANARY, measurement)}

        assert checks["share of v2"].verdict is Verdict.INCONCLUSIVE
        assert checks["share of v2"].measured.count.unknown == 500

    def test_a_version_that_nothing_routes_to_must_not_answer(self):
        """Neither one without weight nor one that is not configured at all."""
        split = expected_of(canary(v1=100, v2=0))
        measurement = as_configured(split)
        measurement.observations[:2] = [observed(200, "v2"), observed(200, "v7")]

        judged = verdicts(split, measurement)

        assert (judged["share of v2"], judged["share of v7"]) == (Verdict.FAIL, Verdict.FAIL)

    def test_other_fault_rates_than_configured_fail(self):
        """A v2 that fails in 45 % instead of 65 % is detected, and so is the effect on all."""
        judged = verdicts(CANARY, drawn(2700, CANARY.split.shares, {"v2": 0.45}))

        assert judged["failures of v2"] is Verdict.FAIL
        assert judged["share of v2"] is Verdict.PASS

    def test_without_odds_nothing_may_fail(self):
        """Then there is one check for failures: that there are none."""
        objects = canary()
        set_environment(objects, "logic-v2", FAULT_ERROR_PERCENT="0", FAULT_HANG_PERCENT="0")
        split = expected_of(objects)

        judged = verdicts(split, as_configured(split))

        assert judged == dict.fromkeys(
            ["share of v1", "share of v2", "nothing fails", "failures overall"], Verdict.PASS
        )

    @pytest.mark.parametrize("count", [0, 300])
    def test_too_little_data_is_inconclusive(self, count: int):
        """No data, and a measurement that was ended early."""
        measurement = Measurement(as_configured(CANARY).observations[:count], planned=2700)

        assert set(verdicts(CANARY, measurement).values()) == {Verdict.INCONCLUSIVE}

    def test_policies_that_change_failures_leave_them_open(self):
        """With retries on 5xx, failures do not follow from weights and fault rates alone; shares do."""
        objects = canary()
        logic_route(objects)["retries"] = {"attempts": 3, "retryOn": "5xx"}
        split = expected_of(objects)
        measurement = as_configured(split)
        measurement.observations[0] = observed(504, None)

        checks = {check.name: check for check in judge(split, measurement)}

        assert checks["share of v2"].verdict is Verdict.PASS
        assert checks["only v2 fails"].verdict is Verdict.INCONCLUSIVE
        assert checks["failures of v2"].verdict is Verdict.INCONCLUSIVE
        assert "retries on 5xx" in checks["failures overall"].reason


def test_the_proof_says_what_it_proves_in_one_line():
    """For the list of scenarios."""
    assert PROOF.scenario == "canary"
    assert "\n" not in PROOF.proves
    assert base() != canary()


WAITED = Observation(0, 504, (WEBAPP,), 10.2)
"""webapp gave logic up after its own timeout."""


@pytest.mark.parametrize(
    ("slow", "verdict"), [(200, Verdict.INCONCLUSIVE), (20, Verdict.FAIL), (0, Verdict.FAIL)]
)
def test_timeouts_of_webapp_are_a_check_of_time(slow: int, verdict: Verdict):
    """INCONCLUSIVE where more than 1 in 100 good answers were slow; a few slow ones excuse nothing."""
    measurement = as_configured(CANARY)
    good = [number for number, one in enumerate(measurement.observations) if one.status == 200]
    for number in good[:slow]:
        measurement.observations[number] = replace(measurement.observations[number], latency_seconds=4.0)
    for number in good[-20:]:
        measurement.observations[number] = WAITED

    checks = {check.name: check for check in judge(CANARY, measurement)}

    assert checks["only v2 fails"].verdict is verdict
    assert verdict is Verdict.FAIL or checks["only v2 fails"].cause is Cause.BUSY


def test_another_failure_fails_on_a_busy_machine_too():
    """It does not depend on time."""
    measurement = as_configured(CANARY)
    measurement.observations = [replace(one, latency_seconds=4.0) for one in measurement.observations]
    measurement.observations[:2] = [WAITED, observed(503, None)]

    assert verdicts(CANARY, measurement)["only v2 fails"] is Verdict.FAIL


def test_the_number_of_failures_with_timeouts_is_a_check_of_time():
    """Too many failures: because the machine was slow, or because the mesh is wrong."""
    measurement = as_configured(CANARY)
    good = [number for number, one in enumerate(measurement.observations) if one.status == 200]
    for number in good[:300]:
        measurement.observations[number] = WAITED
    quiet = verdicts(CANARY, measurement)
    measurement.observations = [replace(one, latency_seconds=4.0) for one in measurement.observations]

    busy = verdicts(CANARY, measurement)

    assert (quiet["failures overall"], busy["failures overall"]) == (Verdict.FAIL, Verdict.INCONCLUSIVE)


def test_slow_answers_alone_leave_every_verdict():
    """Counts are judged exactly, however busy the machine is."""
    measurement = as_configured(CANARY)
    measurement.observations = [replace(one, latency_seconds=4.0) for one in measurement.observations]

    assert set(verdicts(CANARY, measurement).values()) == {Verdict.PASS}
