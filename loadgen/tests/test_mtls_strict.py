"""Strict mTLS's proof: the configured modes, and made-up outcomes judged by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.sentiment import PATH
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.security import mtls_mode
from loadgen.proofs.mtls_strict import (
    ANSWERED,
    CERTIFICATE,
    FORGED,
    NOT_REACHED,
    REFUSED,
    REQUESTS,
    ROUNDS,
    PortProbe,
    callers_check,
    facts,
    forged_identity_check,
    identity,
    port_checks,
    port_outcome,
    port_probes,
    read,
)
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, manifests, named, resources

OVERLAY = manifests("istio/overlays/mtls-strict")
LABELS = {"app": "logic", "app.kubernetes.io/part-of": "sentimesh"}
WEBAPP = "spiffe://cluster.local/ns/sentimesh/sa/webapp"


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def pod(name: str, *, is_ready: bool = True, app: str = "logic") -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9102}]
    sidecar = {"name": "istio-proxy", "ports": [{"name": "envoy", "containerPort": 15090}]}
    return {
        "metadata": {"name": name, "labels": {**LABELS, "app": app}},
        "spec": {"containers": [{"name": app, "ports": ports}, sidecar]},
        "status": {"conditions": [{"type": "Ready", "status": str(is_ready)}]},
    }


class TestModes:
    def test_the_overlay_is_strict_but_for_metrics(self):
        """The namespace's policy, and the port that the other one excepts."""
        assert mtls_mode(OVERLAY, LABELS, 8080) == "STRICT"
        assert mtls_mode(OVERLAY, LABELS, 9102) == "PERMISSIVE"
        assert mtls_mode(OVERLAY, {"app": "stranger"}, 9102) == "STRICT"

    def test_nothing_written_is_permissive(self):
        """Istio's default; UNSET and an empty object are nothing written."""
        unset = [policy("a", {"mtls": {"mode": "UNSET"}}), policy("b", {"selector": {"matchLabels": LABELS}})]

        assert mtls_mode([], LABELS, 8080) == mtls_mode(unset, LABELS, 8080) == "PERMISSIVE"

    def test_a_selector_comes_before_the_namespace(self):
        """Its port before the whole of it."""
        own = {
            "selector": {"matchLabels": {"app": "logic"}},
            "mtls": {"mode": "PERMISSIVE"},
            "portLevelMtls": {"8080": {"mode": "DISABLE"}},
        }
        policies = [policy("default", {"mtls": {"mode": "STRICT"}}), policy("own", own)]

        assert [mtls_mode(policies, LABELS, port) for port in (8080, 1)] == ["DISABLE", "PERMISSIVE"]
        assert mtls_mode(policies, {"app": "webapp"}, 8080) == "STRICT"

    def test_of_two_policies_the_older_counts(self):
        """By creation time, as Istio has it."""
        policies = [policy("a", {"mtls": {"mode": "STRICT"}}), policy("b", {"mtls": {"mode": "DISABLE"}})]
        for document, time in zip(policies, ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"), strict=True):
            document["metadata"]["creationTimestamp"] = time

        assert mtls_mode(policies, LABELS, 8080) == "DISABLE"


class TestPorts:
    def test_every_port_of_ready_pods_is_one(self):
        """But not those of the sidecar."""
        probes = port_probes([pod("a"), pod("b", is_ready=False)], OVERLAY)

        assert probes == [
            PortProbe("a", "logic", 8080, "livez", REFUSED),
            PortProbe("a", "logic", 9102, "metrics", ANSWERED),
        ]

    def test_all_pods_must_do_as_the_mode_says(self):
        """One that answers is enough to fail."""
        probes = port_probes([pod("a"), pod("b")], OVERLAY)

        right = port_checks(probes, [{REFUSED}, {ANSWERED}] * 2)
        wrong = port_checks(probes, [{REFUSED}, {ANSWERED}, {REFUSED, ANSWERED}, {ANSWERED}])

        assert {check.name: check.verdict for check in right} == {
            "plain text to logic:8080": Verdict.PASS,
            "plain text to logic:9102": Verdict.PASS,
        }
        assert [check.verdict for check in wrong] == [Verdict.FAIL, Verdict.PASS]

    @pytest.mark.parametrize(
        ("refusal", "outcome"),
        [
            (None, ANSWERED),
            ("Service Unavailable: error trying to reach service: EOF", REFUSED),
            ("… read tcp 10.0.0.1:41236->10.0.0.7:8080: read: connection reset by peer", REFUSED),
            ("… dial tcp 10.0.0.7:8080: connect: connection refused", NOT_REACHED),
            ("… dial tcp 10.0.0.7:8080: i/o timeout", NOT_REACHED),
        ],
    )
    def test_no_connection_is_no_refusal_by_the_mesh(self, refusal: str | None, outcome: str):
        """A sidecar takes every connection before it can tell what comes on it."""
        assert port_outcome(refusal) == outcome

    @pytest.mark.parametrize(
        ("answers", "verdict"),
        [
            ({NOT_REACHED}, Verdict.INCONCLUSIVE),
            ({NOT_REACHED, REFUSED}, Verdict.INCONCLUSIVE),
            ({NOT_REACHED, ANSWERED}, Verdict.FAIL),
        ],
    )
    def test_a_port_that_is_not_reached_proves_nothing(self, answers: set[str], verdict: Verdict):
        """What a NetworkPolicy keeps out, mTLS was not asked about; one answer too many is still a FAIL."""
        (check,) = port_checks([PortProbe("a", "logic", 8080, "livez", REFUSED)], [answers])

        assert check.verdict is verdict

    def test_without_a_policy_nothing_is_configured(self):
        """Every port then takes both, and nothing has to be sent to know it."""

        with pytest.raises(NotConfigured, match="has no PeerAuthentication; apply the overlay"):
            read(resources(manifests(*BASE)))

    def test_the_report_says_the_modes(self):
        """By policy, ports by their numbers."""
        expectation = read(resources([*manifests(*BASE), *OVERLAY]))

        assert facts(expectation) == {
            "configured": "PeerAuthentication default STRICT, PeerAuthentication metrics 9102 PERMISSIVE"
        }


def measurement(claim: str | None = "URI=spiffe://cluster.local/ns/istio-system/sa/gateway") -> Measurement:
    headers = {} if claim is None else {CERTIFICATE: claim}
    body = json.dumps({"headers": headers}).encode()
    numbers = range(ROUNDS * len(REQUESTS))
    return Measurement([Observation(n, 200, (), 0.01, request_id=f"id-{n}", body=body) for n in numbers])


def callers(observed: Measurement, caller: str | None = WEBAPP) -> dict[str, str | None]:
    return {
        str(one.request_id): caller
        for one in observed.observations
        if REQUESTS[one.number % len(REQUESTS)].path == PATH
    }


class TestIdentities:
    def objects(self) -> Objects:
        return manifests(*BASE)

    def verdict(self, identities: dict[str, str | None]) -> Verdict:
        expected = identity(resources(self.objects()), "webapp")
        return callers_check(expected, measurement(), identities).verdict

    def test_webapp_is_who_calls_logic(self):
        """By the configured ServiceAccount, in any trust domain."""
        elsewhere = WEBAPP.replace("cluster.local", "mesh.example")

        assert (
            self.verdict(callers(measurement()))
            is self.verdict(callers(measurement(), elsewhere))
            is Verdict.PASS
        )

    def test_one_other_caller_fails(self):
        """No identity, too, as plain text has."""
        for other in ("spiffe://cluster.local/ns/sentimesh/sa/feedback", None):
            identities = callers(measurement())
            identities[next(iter(identities))] = other

            assert self.verdict(identities) is Verdict.FAIL

    def test_a_log_that_misses_requests_is_inconclusive(self):
        """What is not known does not pass."""
        identities = callers(measurement())
        identities.popitem()

        assert self.verdict(identities) is Verdict.INCONCLUSIVE

    def test_the_identity_is_that_of_the_service_account_configured(self):
        """Without one it is the namespace's default; two are too many."""
        objects = self.objects()
        spec = named(objects, "Deployment", "webapp-v1")["spec"]["template"]["spec"]
        spec["serviceAccountName"] = "other"
        named(objects, "Deployment", "logic-v2")["spec"]["template"]["spec"].pop("serviceAccountName")

        assert identity(resources(objects), "webapp") == "ns/sentimesh/sa/other"
        with pytest.raises(UnsupportedConfig, match="2 ServiceAccounts"):
            identity(resources(objects), "logic")

    @pytest.mark.parametrize("claim", [f"URI={FORGED}", f"URI={FORGED},By=frontend;URI=gateway", None])
    def test_a_made_up_identity_that_arrives_fails(self, claim: str | None):
        """Alone or before the right one; and so does no identity at all."""
        assert forged_identity_check(measurement(claim)).verdict is Verdict.FAIL

    def test_a_made_up_identity_that_is_taken_off_passes(self):
        """The gateway's own is there in its place; too few answers say nothing."""
        few = Measurement(measurement().observations[:100])

        assert forged_identity_check(measurement()).verdict is Verdict.PASS
        assert forged_identity_check(few).verdict is Verdict.INCONCLUSIVE
