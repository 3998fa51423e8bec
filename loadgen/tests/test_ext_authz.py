"""The proof of external authorization: what it reads, and verdicts on made-up answers."""

from __future__ import annotations

import json

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured
from loadgen.proofs.common.access import TIMES, Access
from loadgen.proofs.ext_authz import FORGED, Expectation, cases, judge, read
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, base, manifests, named, resources

OVERLAY = "istio/overlays/ext-authz/cluster"
CASES = cases("ada")


def answer(number: int, header: str) -> Observation:
    """The expected answer to a request; `header` is the one that the service reports."""
    case = CASES[number % len(CASES)]
    status, _, text = case.expected.partition(" ")
    if not text.startswith("of "):
        head = b"HTTP/1.1 403 Forbidden\r\nx-denied-by: authorizer\r\n\r\n"
        return Observation(number, int(status), (), 0.01, head=head, body=text.encode())
    hops = tuple(Hop(name, "v1", f"{name}-1") for name in text.removeprefix("of ").split(", "))
    body = json.dumps({"headers": {"x-authorized-as": header}}).encode() if case.name == FORGED else b""
    return Observation(number, int(status), hops, 0.01, body=body)


def failing(header: str = "ada") -> set[str]:
    count = TIMES * len(CASES)
    access = Access(Measurement([answer(number, header) for number in range(count)], planned=count))
    checks = judge(Expectation((), "ada"), access)
    return {check.name for check in checks if check.verdict is not Verdict.PASS}


def test_the_overlay_asks_about_requests_of_the_first_user():
    """Its name is that of the Deployment's environment."""
    expectation = read(resources(manifests(*BASE, "k8s/base/frontend.yaml", OVERLAY)))

    assert expectation.user == "ada"
    assert len(expectation.policies) == 3


def test_without_the_authorizer_nothing_is_configured():
    """On the base, and where its Deployment names no users."""
    no_users = manifests(*BASE, "k8s/base/frontend.yaml", OVERLAY)
    named(no_users, "Deployment", "authorizer")["spec"]["template"]["spec"]["containers"][0]["env"] = []

    for objects in (base(), no_users):
        with pytest.raises(NotConfigured, match="apply the overlay, unedited"):
            read(resources(objects))


def test_the_expected_answers_pass_and_a_forged_header_does_not():
    """The service must not see the caller's header in place of the authorizer's."""
    assert failing() == set()
    assert failing("mallory") == {"header for the service"}
