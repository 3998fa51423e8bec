"""The proof of locality failover: what is configured, and verdicts on made-up courses of events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.locality_failover import Failover, judge, read
from loadgen.proofs.outlier_detection import Ejection, Observed
from loadgen.statistics.judge import Cause, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

FOLDER = "istio/overlays/locality-failover"
EJECTION = Ejection("DestinationRule sentimesh/logic", 10, 1.0, 4.0, ("v1-europe",))
POLICY = Failover(EJECTION, "europe", "america", ("v1-europe",), ("v1",))


def overlay() -> Objects:
    """The rule and the Deployments of the overlay; the pods of the base in their regions."""
    files = ("destinationrule-logic-failover", "deployment-logic-v1-europe", "deployment-logic-v1-asia")
    objects = manifests(*BASE, *(f"{FOLDER}/{name}.yaml" for name in files))
    for name, locality in (("logic-v1", "america.b"), ("webapp-v1", "europe.a")):
        labels = named(objects, "Deployment", name)["spec"]["template"]["metadata"]["labels"]
        labels["istio-locality"] = locality
    return objects


def one(ended: float, version: str = "v1") -> Observation:
    hops = (Hop("webapp", "v1", "webapp-v1-1"), Hop("logic", version, f"logic-{version}-1"))
    return Observation(0, 502 if version == "v1-europe" else 200, hops, 0.01, ended_seconds=ended)


def course(first: list[str], then: str = "v1") -> Observed:
    """Answers of these versions at first, then those of one until the own region is back."""
    at_first = [one(0.02 * number, version) for number, version in enumerate(first)]
    after = [one(0.02 * number, then) for number in range(1, 215)]
    return Observed(Measurement(at_first), Measurement([*after, one(4.3, "v1-europe")]))


def failing(observed: Observed) -> set[str]:
    return {check.name for check in judge(POLICY, observed) if check.verdict is Verdict.FAIL}


def test_the_overlay_is_read_as_its_page_says() -> None:
    """Europe first, then america; ten failures, four seconds."""
    assert read(resources(overlay())) == POLICY


def test_what_is_not_configured_is_said() -> None:
    """On the base, without the caller's region, and with a region that has no pods."""
    without_region, nowhere = overlay(), overlay()
    del named(without_region, "Deployment", "webapp-v1")["spec"]["template"]["metadata"]["labels"][
        "istio-locality"
    ]
    balancer = named(nowhere, "DestinationRule", "logic")["spec"]["trafficPolicy"]["loadBalancer"]
    balancer["localityLbSetting"]["failover"][0]["to"] = "africa"

    for objects, reason in (
        (base(), "no DestinationRule of logic has localityLbSetting.failover"),
        (without_region, "failover names no region for pods without one"),
        (nowhere, "no version of logic is in africa"),
    ):
        with pytest.raises(NotConfigured, match=reason):
            read(resources(objects))


def test_a_region_that_is_sound_cannot_show_a_failover() -> None:
    """All of its versions must fail, and no other one."""
    objects = overlay()
    labels = named(objects, "Deployment", "logic-v1-asia")["spec"]["template"]["metadata"]["labels"]
    labels["istio-locality"] = "europe.b"

    with pytest.raises(UnsupportedConfig, match="the versions in europe must be those that fail"):
        read(resources(objects))


def test_the_order_of_the_regions_passes() -> None:
    """Also if the own region was still ejected at the beginning, because of an earlier proof."""
    assert failing(course(["v1-europe"] * 10)) == set()
    assert failing(course(["v1"] * 5 + ["v1-europe"] * 10)) == set()


def test_another_region_at_first_fails() -> None:
    """The own region gets everything until it is ejected."""
    assert "not europe at first" in failing(course(["v1-europe", "v1"] * 10))


def test_a_busy_machine_leaves_open_who_answers_at_first() -> None:
    """A pod that misses its probes is left out, too; a third region answers on no machine."""
    observed = course(["v1-europe", "v1"] * 10, then="v1-asia")
    slow = [replace(answer, latency_seconds=0.5) for answer in observed.after.observations]

    checks = {check.name: check for check in judge(POLICY, replace(observed, after=Measurement(slow)))}

    assert checks["not europe at first"].cause is Cause.BUSY
    assert checks["a third region"].verdict is Verdict.FAIL


def test_a_third_region_fails() -> None:
    """While the own region is ejected only the named one gets requests."""
    assert failing(course(["v1-europe"] * 10, then="v1-asia")) == {"a third region"}
