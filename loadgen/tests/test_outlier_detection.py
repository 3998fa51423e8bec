"""The proof of ejection: the policy in force, and made-up courses of events judged by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.outlier_detection import Course, Ejection, ejection_in_force, judged
from loadgen.statistics.judge import Verdict
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


def course(back: float | None, *more: Observation) -> Course:
    """Three failures, then sound answers until the sick pod is back."""
    first = Measurement([one(0.02 * number, sick=number % 3 == 2) for number in range(9)])
    sound = [one(0.02 * number) for number in range(1, int((back or 15) * 50))]
    last = [] if back is None else [one(back, sick=True)]
    return Course(first, Measurement([*sound, *more, *last]), 0.0)


def failing(found: Course) -> set[str]:
    return {check.name for check in judged(POLICY, found) if check.verdict is Verdict.FAIL}


def test_the_overlay_is_read_as_its_page_says():
    """Three failures, four seconds, one sick version."""
    assert ejection_in_force(resources(overlay())) == POLICY


def test_a_policy_that_ejects_nothing_is_not_in_force():
    """On the base, switched off, and without anybody to eject."""
    sound = [item for item in overlay() if item["metadata"]["name"] != "logic-v1-sick"]

    for objects, reason in (
        (base(), "no DestinationRule"),
        (overlay(consecutive5xxErrors=0), "ejects nothing"),
        (sound, "no version of logic fails"),
    ):
        with pytest.raises(NotConfigured, match=reason):
            ejection_in_force(resources(objects))


def test_a_time_too_short_to_be_seen_is_not_understood():
    """Envoy takes up to a second to leave a pod out."""
    with pytest.raises(UnsupportedConfig, match="too short"):
        ejection_in_force(resources(overlay(baseEjectionTime="1s")))


@pytest.mark.parametrize("back", [4.0, 5.9, 6.9, 8.5, 12.5])
def test_out_and_back_in_time_passes(back: float):
    """After the base time, an interval later, or after a multiple."""
    assert {check.verdict for check in judged(POLICY, course(back))} == {Verdict.PASS}


def test_failures_within_the_grace_time_pass():
    """Envoy takes up to a second to leave a pod out."""
    assert failing(course(4.5, one(0.3, sick=True), one(0.9, sick=True))) == set()


def test_too_early_too_late_or_never_fails():
    """Back while it should be out, between two multiples, or not at all."""
    assert failing(course(2.9)) == {"requests to it while it is out", "it comes back"}
    assert failing(course(7.5)) == {"it comes back"}
    assert failing(course(None)) == {"it comes back"}


def test_a_failure_of_a_sound_pod_fails():
    """Whenever it comes."""
    assert failing(course(4.5, one(0.5, failing=True))) == {"failures of sound pods"}
    assert failing(course(4.5, one(3.0, failing=True))) == {
        "failures of sound pods",
        "failures while it is out",
    }


def test_a_pod_that_nobody_asks_cannot_be_ejected():
    """Nothing was shown then."""
    found = replace(course(4.5), until_ejected=Measurement([one(0.1)]))

    assert failing(found) == {"it fails"}


def test_no_data_proves_nothing():
    """Not one check passes."""
    found = judged(POLICY, Course(Measurement(), Measurement(), 0.0))

    assert Verdict.PASS not in {check.verdict for check in found}


def test_others_whose_failures_count_too_leave_the_times_open():
    """Their requests may have had the pod ejected before."""
    found = replace(course(2.9), until_ejected=Measurement([one(0.1)]), others=40)

    assert failing(found) == set()
    reasons = [check.reason for check in judged(POLICY, found) if check.name == "it comes back"]
    assert "40 more than this proof" in reasons[0]


def test_a_busy_machine_leaves_the_times_open():
    """Sound answers that took half a second: what was late need not be the ejection. Failures are judged."""
    slow = [replace(each, latency_seconds=0.5) for each in course(7.5).after.observations]
    found = replace(course(7.5), after=Measurement([*slow, one(3.0, failing=True)]))

    assert failing(found) == {"failures of sound pods", "failures while it is out"}
