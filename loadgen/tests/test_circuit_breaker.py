"""The proof of the circuit breaker: the configured limits, and verdicts on made-up measurements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.circuit_breaker import (
    CALM_REQUESTS,
    EVERY,
    FLOOD_REQUESTS,
    Observed,
    Pool,
    findings,
    flood_for,
    is_refused,
    judge,
    read,
)
from loadgen.statistics.judge import Cause, Verdict
from loadgen.tests.stand_in_mesh import BASE, base, manifests, resources

RULE = "istio/overlays/circuit-breaker/destinationrule-webapp-pool-of-one.yaml"
POOL = Pool("DestinationRule sentimesh/webapp", 1, 1)
HOPS = (Hop("webapp", "v1", "webapp-v1-1"),)
CALM = Measurement([Observation(number, 200, HOPS, 0.004) for number in range(300)])
FLOOD = flood_for(POOL, CALM)


def flooded() -> Measurement:
    """Every fifth request for webapp is admitted, all others are refused; those for frontend are answered."""
    return Measurement([_answer(number) for number in range(FLOOD_REQUESTS)])


def _answer(number: int) -> Observation:
    if number % EVERY == 0 or number % 5 == 0:
        return Observation(number, 200, HOPS, 0.01)
    return Observation(number, 503, (), 0.002, overloaded=True)


def observed(calm: Measurement, flood: Measurement, foreign_requests: int = 0) -> Observed:
    """Both as parts of what is planned."""
    calm, flood = replace(calm, planned=CALM_REQUESTS), replace(flood, planned=FLOOD_REQUESTS)
    return Observed(calm, FLOOD, flood, foreign_requests)


def verdicts(calm: Measurement, flood: Measurement) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in judge(POOL, observed(calm, flood))}


def failing(flood: Measurement, calm: Measurement = CALM) -> set[str]:
    return {name for name, verdict in verdicts(calm, flood).items() if verdict is Verdict.FAIL}


def test_the_overlay_is_a_pool_of_one():
    """One connection, one that waits."""
    assert read(resources(manifests(*BASE, RULE))) == POOL


def test_without_both_limits_nothing_is_configured():
    """On the base, and where requests may wait without end."""
    half = manifests(*BASE, RULE)
    rule = next(
        item for item in half if item["kind"] == "DestinationRule" and item["metadata"]["name"] == "webapp"
    )
    del rule["spec"]["trafficPolicy"]["connectionPool"]["http"]

    for objects in (base(), half):
        with pytest.raises(NotConfigured, match="apply the overlay, unedited"):
            read(resources(objects))


def test_the_flood_is_three_times_what_the_pool_serves_at_most():
    """From the time that an answer takes; a pool too large to flood is not proven."""
    slow = Measurement([Observation(0, 200, HOPS, 0.02)] * 300)

    assert flood_for(POOL, slow).load_plan.rate == pytest.approx(300)
    with pytest.raises(NotConfigured, match="cannot overflow"):
        flood_for(replace(POOL, connections=1000), slow)
    with pytest.raises(UnsupportedConfig, match="even to one user alone"):
        flood_for(POOL, Measurement([Observation(0, 503, (), 0.02)]))


def test_refused_at_once_and_admitted_fast_passes():
    """All checks."""
    assert set(verdicts(CALM, flooded()).values()) == {Verdict.PASS}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"overloaded": False}, "failed otherwise"),
        ({"hops": HOPS}, "failed otherwise"),
        ({"status": 502}, "failed otherwise"),
    ],
)
def test_a_failure_that_is_no_refusal_fails(change: dict, check: str):
    """A single 503 that does not say that it is one, or that a pod has seen."""
    flood = flooded()
    flood.observations[1] = replace(flood.observations[1], **change)

    assert failing(flood) == {check}


def test_one_failure_of_the_other_service_fails():
    """The bulkhead has no leak."""
    flood = flooded()
    flood.observations[0] = Observation(0, 503, (), 0.002, overloaded=True)

    assert failing(flood) == {"failures of frontend"}


def test_a_mesh_without_a_breaker_fails():
    """Nothing is refused, and a queue makes everything slow."""
    flood = Measurement(
        [replace(one, status=200, overloaded=False, latency_seconds=0.8) for one in flooded().observations]
    )

    assert {"refused when flooded", "slow among admitted"} <= failing(flood)


def test_some_slow_answers_are_a_busy_machine():
    """One in fifty is none of the breaker's business, half of them are."""
    some = Measurement(
        [
            replace(one, latency_seconds=0.4 if i % 50 == 0 else 0.01)
            for i, one in enumerate(flooded().observations)
        ]
    )
    many = Measurement(
        [
            replace(one, latency_seconds=0.4 if i % 2 == 0 else 0.01)
            for i, one in enumerate(flooded().observations)
        ]
    )

    assert failing(some) == set()
    assert {"slow refusals", "slow among admitted"} <= failing(many)


def test_what_must_be_refused_follows_from_the_pool_and_the_time_of_an_answer():
    """4 ms at each of two connections: of 1,312 a second some more than 500 are served, and 25 at least."""
    least, most = FLOOD.refused

    assert least == pytest.approx(1 - 1.25 * 500 / 1312.5)
    assert most == pytest.approx(1 - 0.1 * 250 / 1312.5)


@pytest.mark.parametrize("admitted", [0.7, 0.001])
def test_a_breaker_that_lets_too_many_in_or_hardly_any_fails(admitted: float):
    """More than the pool can serve, or next to none, though nothing else is wrong."""
    answers = [
        Observation(number, 200, HOPS, 0.01)
        if number % EVERY == 0 or (number * 997 % 1000) < admitted * 1000
        else Observation(number, 503, (), 0.002, overloaded=True)
        for number in range(FLOOD_REQUESTS)
    ]

    assert failing(Measurement(answers)) == {"refused when flooded"}


def test_the_times_are_reported_in_milliseconds():
    """Of each kind of answer, and what counts as slow; who waited for nothing has no time."""
    flood = flooded()
    flood.observations[1] = replace(flood.observations[1], latency_seconds=1.5)

    times = findings(POOL, Observed(CALM, FLOOD, flood))

    assert times == {
        "time when calm": "median 4 ms, 99 % within 4 ms",
        "time of refusals": "median 2 ms, 99 % within 2 ms",
        "time of admitted": "median 10 ms, 99 % within 10 ms",
        "time of frontend": "median 10 ms, 99 % within 10 ms",
        "slow": "more than 250 ms after the scheduled time",
    }
    assert findings(POOL, Observed(CALM, FLOOD, Measurement()))["time of refusals"] == "no data"


def test_a_machine_that_sends_late_leaves_times_open():
    """And the share of refusals, which may be greater because less is served; the rest is judged."""
    late = replace(flooded(), lateness_seconds=0.3)

    checks = judge(POOL, observed(CALM, late))

    assert {
        check.name: check.cause for check in checks if check.verdict is not Verdict.PASS
    } == dict.fromkeys(
        ["refused when flooded", "slow refusals", "slow among admitted", "slow answers of frontend"],
        Cause.BUSY,
    )


def test_a_machine_that_is_slow_when_calm_is_not_the_meshs_fault():
    """Answers to one alone took long, too."""
    slow = Measurement(
        [replace(one, latency_seconds=0.4) for one in CALM.observations[:10]] + CALM.observations[10:]
    )
    flood = Measurement([replace(one, latency_seconds=0.6) for one in flooded().observations])

    assert failing(flood, slow) == set()
    assert "slow among admitted" in failing(flood)


def test_a_refusal_when_others_send_is_open():
    """Two at a time may overflow a pool of one."""
    calm = Measurement([*CALM.observations[1:], Observation(0, 503, (), 0.002, overloaded=True)])

    checks = {check.name: check for check in judge(POOL, observed(calm, flooded(), 40))}

    check = checks["refused or failed when calm"]
    assert check.verdict is Verdict.INCONCLUSIVE
    assert check.cause is Cause.FOREIGN_TRAFFIC
    assert "others sent 40 requests meanwhile" in check.reason


@pytest.mark.parametrize(("admitted_in_1000", "verdict"), [(5, Verdict.INCONCLUSIVE), (700, Verdict.FAIL)])
def test_a_busy_machine_may_serve_hardly_any_but_not_too_many(admitted_in_1000: int, verdict: Verdict):
    """Where it sends late, it is open why next to none were served; too many are too many."""
    answers = [
        Observation(number, 200, HOPS, 0.01)
        if number % EVERY == 0 or number * 997 % 1000 < admitted_in_1000
        else Observation(number, 503, (), 0.002, overloaded=True)
        for number in range(FLOOD_REQUESTS)
    ]

    judged = verdicts(CALM, Measurement(answers, lateness_seconds=0.13))

    assert judged["refused when flooded"] is verdict


def test_a_refusal_when_calm_fails():
    """One at a time never overflows a pool of one."""
    calm = Measurement([*CALM.observations[1:], Observation(0, 503, (), 0.002, overloaded=True)])

    assert is_refused(calm.observations[-1])
    assert failing(flooded(), calm) == {"refused or failed when calm"}


def test_no_data_proves_nothing():
    """Neither right nor wrong."""
    assert set(verdicts(Measurement(), Measurement()).values()) == {Verdict.INCONCLUSIVE}
