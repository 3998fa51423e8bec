"""Egress's proof: what is known by what is in force, who calls whom, and what must become of it."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.meshstate import MeshApi, NotConfigured, UnsupportedConfig
from loadgen.meshstate.outbound import Registry, registry
from loadgen.proofs.common.access import TIMES
from loadgen.proofs.egress import (
    REACHED,
    REFUSED,
    EgressCase,
    errands_in_force,
    judged_arrivals,
    outside_in_force,
    passages,
)
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

KINDS = {"sidecars": "Sidecar", "serviceentries": "ServiceEntry"}
JUDGE = "judge.outside.svc.cluster.local"
ERRANDS = [
    EgressCase("/sentiment", "webapp", "logic"),
    EgressCase("/ask/known", "ask-known", "judge.example"),
    EgressCase("/ask/unknown", "ask-unknown", JUDGE),
]


class Written(MeshApi):
    """An API that has these objects."""

    def __init__(self, objects: Objects) -> None:
        super().__init__("http://127.0.0.1:1", "sentimesh")
        self._objects = objects

    def objects(self, _: str, kind: str, query: str = "") -> Any:
        return tuple(item for item in self._objects if item["kind"] == KINDS[kind])


def in_force() -> Objects:
    return manifests(*BASE, "istio/overlays/egress")


def read(objects: Objects) -> Registry:
    return registry(Written(objects), remedy="apply it")


def with_sidecar(**spec: Any) -> Registry:
    """What is known if the Sidecar says something else."""
    objects = in_force()
    named(objects, "Sidecar", "default")["spec"] |= spec
    return read(objects)


class TestRegistry:
    def test_own_services_and_entries_are_known(self):
        """By any of their names; everything else is not."""
        known = read(in_force())

        assert [known.knows(host) for host in ("logic", "logic.sentimesh.svc.cluster.local")] == [True, True]
        assert known.knows("judge.example")
        assert known.knows("istiod.istio-system.svc.cluster.local")
        assert not known.knows(JUDGE)
        assert not known.knows("elsewhere.example")

    def test_an_entry_leads_to_the_services_that_its_endpoints_name(self):
        """Hosts that are really outside are no Services."""
        objects = in_force()
        assert read(objects).services_behind("judge.example") == [("judge", "outside")]

        named(objects, "ServiceEntry", "judge")["spec"]["endpoints"] = [{"address": "192.0.2.1"}]

        assert read(objects).services_behind("judge.example") == []

    @pytest.mark.parametrize("hosts", [["*/*"], ["outside/*"], [f"outside/{JUDGE}"], []])
    def test_what_the_sidecar_imports_is_known(self, hosts: list[str]):
        """All of a namespace or one host of it; nothing written imports everything."""
        assert with_sidecar(egress=[{"hosts": hosts}]).knows(JUDGE)

    @pytest.mark.parametrize("hosts", [["./*"], ["elsewhere/*"], ["outside/other.outside.svc.cluster.local"]])
    def test_what_the_sidecar_does_not_import_is_unknown(self, hosts: list[str]):
        """Although it is a Service of the cluster."""
        assert not with_sidecar(egress=[{"hosts": hosts}]).knows(JUDGE)

    @pytest.mark.parametrize("policy", [{"mode": "ALLOW_ANY"}, None])
    def test_a_sidecar_that_lets_everything_out_is_not_in_force(self, policy: Any):
        """Which one without the block does, too."""
        objects = in_force()
        spec = named(objects, "Sidecar", "default")["spec"]
        spec.pop("outboundTrafficPolicy")
        spec |= {} if policy is None else {"outboundTrafficPolicy": policy}

        with pytest.raises(NotConfigured, match="lets every call out"):
            read(objects)

    def test_the_block_without_a_mode_lets_nothing_out(self):
        """Its first value is REGISTRY_ONLY."""
        assert not with_sidecar(outboundTrafficPolicy={}).knows(JUDGE)

    def test_without_a_sidecar_nothing_is_in_force(self):
        """On the base."""
        with pytest.raises(NotConfigured, match="no Sidecar"):
            read(base())

    @pytest.mark.parametrize(
        "spec", [{"egress": [{"hosts": ["./*", "~/x.example"]}]}, {"workloadSelector": {"labels": {}}}]
    )
    def test_what_is_not_evaluated_is_not_understood(self, spec: dict[str, Any]):
        """Rather than guessed."""
        with pytest.raises(UnsupportedConfig):
            with_sidecar(**spec)


class TestErrands:
    def test_each_path_leads_to_a_workload_that_calls_a_host(self):
        """Both containers of the courier, by the port that the Service leads to."""
        assert errands_in_force(resources(in_force())) == ERRANDS

    def test_on_the_base_nobody_calls_outside(self):
        """Nothing is rewritten there."""
        with pytest.raises(NotConfigured, match="nobody is there"):
            errands_in_force(resources(base()))

    def test_a_workload_without_an_address_is_not_understood(self):
        """Whom it calls is not known then."""
        objects = in_force()
        for container in named(objects, "Deployment", "courier")["spec"]["template"]["spec"]["containers"]:
            container["env"] = []

        with pytest.raises(UnsupportedConfig, match="0 containers with LOGIC_URL"):
            errands_in_force(resources(objects))

    def test_known_hosts_are_reached_and_unknown_ones_refused(self):
        """As in force, and not by their names."""
        found = passages(ERRANDS, read(in_force()))

        assert [each.expected for each in found] == [REACHED, REACHED, REFUSED]
        assert [each.request.path for each in found] == ["/sentiment", "/ask/known", "/ask/unknown"]

    def test_without_the_entry_nothing_is_in_force(self):
        """No host outside may be called at all."""
        objects = [item for item in in_force() if item["kind"] != "ServiceEntry"]

        with pytest.raises(NotConfigured, match="has a ServiceEntry"):
            outside_in_force(ERRANDS, read(objects))

    def test_without_an_unknown_host_nothing_is_in_force(self):
        """Nobody would be refused."""
        with pytest.raises(NotConfigured, match="no host is called that"):
            outside_in_force(ERRANDS, with_sidecar(egress=[{"hosts": ["*/*"]}]))

    def test_what_arrives_is_what_was_let_out(self):
        """Nothing more, nothing less."""
        found = [judged_arrivals(1, arrived).verdict for arrived in (TIMES, 2 * TIMES, 0)]

        assert found == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
