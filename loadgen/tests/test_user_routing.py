"""User routing's proof, judged on made-up measurements."""

from __future__ import annotations

import random

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured
from loadgen.proofs.user_routing import EDGE, GROUPS, HEADER, PLACES, judge_place, load_plan, read_place
from loadgen.statistics.judge import Verdict, overall
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

WHOLE = (*BASE, "k8s/base/frontend.yaml", "istio/overlays/user-routing")
SHARES = {"internal": {"v2": 1.0}, "external": {"v1": 1.0}, "others": {"v1": 0.9, "v2": 0.1}}


def configured() -> Objects:
    return manifests(*WHOLE)


def drawn(shares: dict[str, dict[str, float]], *, seed: int = 1) -> Measurement:
    """What a mesh answers that routes the groups with these shares, at the edge."""
    dice = random.Random(seed)
    plan = load_plan(EDGE, read_place(resources(configured()), EDGE))
    observations = []
    for number in range(plan.count):
        group = dict(plan.requests[number % len(plan.requests)].headers).get(HEADER, "others")
        (version,) = dice.choices(list(shares[group]), list(shares[group].values()))
        observations.append(Observation(number, 200, (Hop("frontend", version, "pod"),), 0.01))
    return Measurement(observations, planned=plan.count)


def verdicts(measurement: Measurement) -> dict[str, Verdict]:
    by_group = read_place(resources(configured()), EDGE)
    checks = judge_place(EDGE, by_group, measurement)
    return {check.name.removeprefix("edge: "): check.verdict for check in checks}


@pytest.mark.parametrize("place", PLACES, ids=[place.name for place in PLACES])
def test_the_overlay_says_who_gets_what(place):
    """Members one version each, others both."""
    found = read_place(resources(configured()), place)

    assert {group: dict(found[group].shares) for group in GROUPS} == SHARES


@pytest.mark.parametrize("place", PLACES, ids=[place.name for place in PLACES])
def test_the_base_decides_nothing(place):
    """A route that is the same for all groups proves nothing."""
    with pytest.raises(NotConfigured, match="regardless of the header"):
        read_place(resources(base() + manifests("k8s/base/frontend.yaml")), place)


def test_a_service_that_no_route_leads_to_is_not_configured():
    """The page's route must lead to frontend."""
    objects = configured()
    named(objects, "VirtualService", "ingress")["spec"]["http"][-1]["route"] = [
        {"destination": {"host": "webapp"}}
    ]

    with pytest.raises(NotConfigured, match="leads to webapp, not frontend"):
        read_place(resources(objects), EDGE)


def test_a_mesh_that_does_as_configured_passes():
    """In each of ten draws."""
    assert [overall(verdicts(drawn(SHARES, seed=seed)).values()) for seed in range(10)] == [Verdict.PASS] * 10


def test_one_member_at_another_version_is_too_many():
    """The version of such a group is not left to chance."""
    measurement = drawn(SHARES)
    measurement.observations[0] = Observation(0, 200, (Hop("frontend", "v1", "pod"),), 0.01)

    found = verdicts(measurement)

    assert found.pop("internal to v2") is Verdict.FAIL
    assert set(found.values()) == {Verdict.PASS}


@pytest.mark.parametrize("share", [0.0, 0.04, 0.5, 1.0])
def test_others_with_another_share_fail(share: float):
    """In each of ten draws."""
    wrong = {**SHARES, "others": {"v1": 1 - share, "v2": share}}

    assert all(verdicts(drawn(wrong, seed=seed))["others to v2"] is Verdict.FAIL for seed in range(10))


def test_a_header_that_is_not_passed_on_fails():
    """Members are routed like others then."""
    lost = dict.fromkeys(GROUPS, SHARES["others"])

    found = verdicts(drawn(lost))

    assert found["internal to v2"] is found["external to v1"] is Verdict.FAIL
