"""Egress's proof: the hosts that the mesh knows, the callers, and the expected outcomes."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.meshstate.outbound import Registry, read_registry
from loadgen.proofs.common.access import TIMES
from loadgen.proofs.common.outside_calls import OutsideCall, read_calls
from loadgen.proofs.egress import (
    REACHED,
    REJECTED,
    Expectation,
    access_cases,
    arrivals_check,
    read,
)
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

JUDGE = "judge.outside.svc.cluster.local"
CASES = [
    OutsideCall("/sentiment", "webapp", "logic"),
    OutsideCall("/ask/known", "ask-known", "judge.example"),
    OutsideCall("/ask/unknown", "ask-unknown", JUDGE),
]


def configured() -> Objects:
    return manifests(*BASE, "istio/overlays/egress")


def registry(objects: Objects) -> Registry:
    return read_registry(resources(objects), remedy="apply it")


def with_sidecar(**spec: Any) -> Registry:
    """What is known if the Sidecar says something else."""
    objects = configured()
    named(objects, "Sidecar", "default")["spec"] |= spec
    return registry(objects)


class TestRegistry:
    def test_own_services_and_entries_are_known(self):
        """By any of their names; everything else is not."""
        known = registry(configured())

        assert [known.knows(host) for host in ("logic", "logic.sentimesh.svc.cluster.local")] == [True, True]
        assert known.knows("judge.example")
        assert known.knows("istiod.istio-system.svc.cluster.local")
        assert not known.knows(JUDGE)
        assert not known.knows("elsewhere.example")

    def test_an_entry_leads_to_the_services_that_its_endpoints_name(self):
        """Hosts that are really outside are no Services."""
        objects = configured()
        assert registry(objects).services_behind("judge.example") == [("judge", "outside")]

        named(objects, "ServiceEntry", "judge")["spec"]["endpoints"] = [{"address": "192.0.2.1"}]

        assert registry(objects).services_behind("judge.example") == []

    @pytest.mark.parametrize("hosts", [["*/*"], ["outside/*"], [f"outside/{JUDGE}"], []])
    def test_what_the_sidecar_imports_is_known(self, hosts: list[str]):
        """All of a namespace or one host of it; nothing written imports everything."""
        assert with_sidecar(egress=[{"hosts": hosts}]).knows(JUDGE)

    @pytest.mark.parametrize("hosts", [["./*"], ["elsewhere/*"], ["outside/other.outside.svc.cluster.local"]])
    def test_what_the_sidecar_does_not_import_is_unknown(self, hosts: list[str]):
        """Although it is a Service of the cluster."""
        assert not with_sidecar(egress=[{"hosts": hosts}]).knows(JUDGE)

    @pytest.mark.parametrize("policy", [{"mode": "ALLOW_ANY"}, None])
    def test_a_sidecar_that_lets_everything_out_is_not_configured(self, policy: Any):
        """Which one without the block does, too."""
        objects = configured()
        spec = named(objects, "Sidecar", "default")["spec"]
        spec.pop("outboundTrafficPolicy")
        spec |= {} if policy is None else {"outboundTrafficPolicy": policy}

        with pytest.raises(NotConfigured, match="lets every call out"):
            registry(objects)

    def test_the_block_without_a_mode_lets_nothing_out(self):
        """Its first value is REGISTRY_ONLY."""
        assert not with_sidecar(outboundTrafficPolicy={}).knows(JUDGE)

    def test_without_a_sidecar_nothing_is_configured(self):
        """On the base."""
        with pytest.raises(NotConfigured, match="no Sidecar"):
            registry(base())

    @pytest.mark.parametrize(
        "spec", [{"egress": [{"hosts": ["./*", "~/x.example"]}]}, {"workloadSelector": {"labels": {}}}]
    )
    def test_what_is_not_evaluated_is_not_supported(self, spec: dict[str, Any]):
        """Rather than guessed."""
        with pytest.raises(UnsupportedConfig):
            with_sidecar(**spec)


class TestCases:
    def test_each_path_leads_to_a_workload_that_calls_a_host(self):
        """Both containers of the courier, by the port that the Service leads to."""
        assert read_calls(resources(configured()), remedy="apply it") == CASES

    def test_on_the_base_no_workload_calls_outside(self):
        """Nothing is rewritten there."""
        with pytest.raises(NotConfigured, match="no workload calls an external host"):
            read_calls(resources(base()), remedy="apply it")

    def test_a_workload_without_an_address_is_not_supported(self):
        """Whom it calls is not known then."""
        objects = configured()
        for container in named(objects, "Deployment", "courier")["spec"]["template"]["spec"]["containers"]:
            container["env"] = []

        with pytest.raises(UnsupportedConfig, match="0 containers with LOGIC_URL"):
            read_calls(resources(objects), remedy="apply it")

    def test_known_hosts_are_reached_and_unknown_ones_rejected(self):
        """As configured, and not by their names."""
        cases = access_cases(Expectation(tuple(CASES), registry(configured())))

        assert [case.expected for case in cases] == [REACHED, REACHED, REJECTED]
        assert [case.request.path for case in cases] == ["/sentiment", "/ask/known", "/ask/unknown"]

    def test_the_overlay_has_an_external_host_that_is_known(self):
        """And one that is not."""
        assert read(resources(configured())).external_hosts == ["judge.example"]

    def test_without_the_entry_nothing_is_configured(self):
        """No external host may be called at all."""
        objects = [item for item in configured() if item["kind"] != "ServiceEntry"]

        with pytest.raises(NotConfigured, match="has a ServiceEntry"):
            read(resources(objects))

    def test_without_an_unknown_host_nothing_is_configured(self):
        """No call would be rejected."""
        objects = configured()
        named(objects, "Sidecar", "default")["spec"] |= {"egress": [{"hosts": ["*/*"]}]}

        with pytest.raises(NotConfigured, match="every called host is known"):
            read(resources(objects))

    def test_what_arrives_is_what_was_let_out(self):
        """Nothing more, nothing less."""
        verdicts = [arrivals_check(1, arrived).verdict for arrived in (TIMES, 2 * TIMES, 0)]

        assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
