"""The proof of TLS origination: what it reads, and verdicts on made-up answers."""

from __future__ import annotations

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured
from loadgen.proofs.common.access import TIMES, Access
from loadgen.proofs.tls_origination import Observed, judge, read
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

OVERLAY = "istio/overlays/tls-origination"
HOPS = (Hop("webapp", "v1", "clerk-1"), Hop("judge", "outside", "judges-1"))
ARRIVED = {"judge.example, no certificate": TIMES, "panel.example, a certificate": TIMES}


def configured() -> Objects:
    return manifests(*BASE, OVERLAY)


def failing(arrived: dict[str, int]) -> set[str]:
    expectation = read(resources(configured()))
    count = TIMES * len(expectation.calls)
    answers = [Observation(number, 200, HOPS, 0.01) for number in range(count)]
    checks = judge(expectation, Observed(Access(Measurement(answers, planned=count)), arrived))
    return {check.name for check in checks if check.verdict is not Verdict.PASS}


def test_the_overlay_calls_two_hosts_outside_over_tls():
    """Each in its mode; one Service stands for both."""
    expectation = read(resources(configured()))

    assert expectation.modes == {"judge.example": "SIMPLE", "panel.example": "MUTUAL"}
    assert expectation.outside == (("judges", "outside"),)
    assert [call.path for call in expectation.calls] == ["/ask/judge", "/ask/panel"]


@pytest.mark.parametrize(("rule", "mode"), [("judge", "SIMPLE"), ("panel", "MUTUAL")])
def test_without_a_rule_nothing_is_configured(rule: str, mode: str):
    """Nor on the base."""
    objects = configured()
    named(objects, "DestinationRule", rule)["spec"]["trafficPolicy"] = {}

    with pytest.raises(NotConfigured, match=rf"no called host .* tls\.mode {mode}; apply the overlay"):
        read(resources(objects))
    with pytest.raises(NotConfigured, match="apply the overlay"):
        read(resources(base()))


@pytest.mark.parametrize(
    ("host", "arrived"),
    [
        ("", ARRIVED),
        ("panel.example", {**ARRIVED, "panel.example, a certificate": TIMES - 1}),
        ("panel.example", {**ARRIVED, "panel.example, no certificate": 1}),
        ("judge.example", {"None, no certificate": TIMES, "panel.example, a certificate": TIMES}),
    ],
    ids=["all", "one is missing", "one without a certificate", "another name"],
)
def test_every_request_must_arrive_in_the_mode_of_its_host(host: str, arrived: dict[str, int]):
    """With the host's name, and with or without a certificate."""
    assert failing(arrived) == ({f"TLS for {host}"} if host else set())
