"""The proof of ejection: the configured policy, and verdicts on made-up courses of events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.outlier_detection import Ejection, Observed, judge, read
from loadgen.statistics.judge import Cause, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

FOLDER = "istio/overlays/outlier-detection"
POLICY = Ejection("DestinationRule sentimesh/logic", 3, 1.0, 4.0, ("v1-sick",))


def overlay(**changes: Any) -> Objects:
    """The rule and the sick Deployment of the overlay, the rule with other numbers."""
    objects = manifests(
        *BASE, f"{FOLDER}/destinationrule-logic-ejection.yaml", f"{FOLDER}/deployment-logic-v1-sick.yaml"
    )
    rule = named(objects, "DestinationRule", "logic")
    rule["spec"]["trafficPolicy"]["outlierDetection"].update(changes)
    return objects


def one(ended: float, *, sick: bool = False, failing: bool | None = None) -> Observation:
    version = "v1-sick" if sick else "v1"
    hops = (Hop("webapp", "v1", "webapp-v1-1"), Hop("logic", version, f"logic-{version}-1"))
    bad = sick if failing is None else failing
    return Observation(0, 502 if bad else 200, hops, 0.01, ended_seconds=ended)


def course(back: float | None, *more: Observation) -> Observed:
    """Three failures, then sound answers until the sick pod is back."""
    first = Measurement([one(0.02 * number, sick=number % 3 == 2) for number in range(9)])
    sound = [one(0.02 * number) for number in range(1, int((back or 15) * 50))]
    last = [] if back is None else [one(back, sick=True)]
    return Observed(first, Measurement([*sound, *more, *last]))


def failing(observed: Observed) -> set[str]:
    return {check.name for check in judge(POLICY, observed) if check.verdict is Verdict.FAIL}


def test_the_overlay_is_read_as_its_page_says():
    """Three failures, four seconds, one sick version."""
    assert read(resources(overlay())) == POLICY


def test_a_policy_that_ejects_nothing_is_not_configured():
    """On the base, switched off, and without anybody to eject."""
    sound = [item for item in overlay() if item["metadata"]["name"] != "logic-v1-sick"]

    for objects, reason in (
        (base(), "no DestinationRule"),
        (overlay(consecutive5xxErrors=0), "ejects nothing"),
        (sound, "no version of logic fails"),
    ):
        with pytest.raises(NotConfigured, match=reason):
            read(resources(objects))


def test_a_time_too_short_to_be_seen_is_not_supported():
    """Envoy takes up to a second to leave a pod out."""
    with pytest.raises(UnsupportedConfig, match="too short"):
        read(resources(overlay(baseEjectionTime="1s")))


@pytest.mark.parametrize("back", [4.0, 5.9, 6.9, 8.5, 12.5, 40.5])
def test_out_and_back_in_time_passes(back: float):
    """After the base time, an interval later, or after a multiple."""
    assert {check.verdict for check in judge(POLICY, course(back))} == {Verdict.PASS}


def test_failures_within_the_grace_time_pass():
    """Envoy takes up to a second to leave a pod out."""
    assert failing(course(4.5, one(0.3, sick=True), one(0.9, sick=True))) == set()


def test_too_early_too_late_or_never_fails():
    """Back while it should be out, between two multiples, or not at all."""
    assert failing(course(2.9)) == {"requests to it during ejection", "it comes back"}
    assert failing(course(7.5)) == {"it comes back"}
    assert failing(course(None)) == {"it comes back"}


def test_a_failure_of_a_sound_pod_fails():
    """Whenever it comes."""
    assert failing(course(4.5, one(0.5, failing=True))) == {"failures of sound pods"}
    assert failing(course(4.5, one(3.0, failing=True))) == {
        "failures of sound pods",
        "failures during ejection",
    }


def test_a_pod_that_gets_no_requests_cannot_be_ejected():
    """Nothing was shown then."""
    observed = replace(course(4.5), until_ejected=Measurement([one(0.1)]))

    assert failing(observed) == {"it fails"}


def test_no_data_proves_nothing():
    """Not one check passes."""
    checks = judge(POLICY, Observed(Measurement(), Measurement()))

    assert Verdict.PASS not in {check.verdict for check in checks}


def test_others_whose_failures_count_too_leave_the_times_open():
    """Their requests may have had the pod ejected before."""
    observed = replace(course(2.9), until_ejected=Measurement([one(0.1)]), foreign_requests=40)

    assert failing(observed) == set()
    causes = {check.name: check.cause for check in judge(POLICY, observed) if check.cause}
    assert causes["it fails"] is causes["it comes back"] is Cause.FOREIGN_TRAFFIC


@pytest.mark.parametrize("back", [4.5, 7.5])
def test_a_busy_machine_leaves_the_return_open(back: float):
    """Whether in time or not; counts are judged."""
    slow = [replace(observation, latency_seconds=0.5) for observation in course(back).after.observations]
    observed = replace(course(back), after=Measurement([*slow, one(3.0, failing=True)]))

    checks = {check.name: check for check in judge(POLICY, observed)}

    assert failing(observed) == {"failures of sound pods", "failures during ejection"}
    assert checks["it comes back"].cause is Cause.BUSY


def test_the_pause_between_the_measurements_counts():
    """The pod has been out since its last failure."""
    made = course(3.6)
    late = replace(
        made,
        until_ejected=replace(made.until_ejected, started=100.0, seconds=0.2),
        after=replace(made.after, started=100.6),
    )

    assert "it comes back" in failing(made)
    assert failing(late) == set()
