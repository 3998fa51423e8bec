"""Splits and what interferes with them, read from the repository's manifests and from edited ones."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen.meshstate import FaultRates, NotConfigured, Split, UnsupportedConfig, read_split
from loadgen.proofs import canary as canary_proof
from loadgen.proofs.canary import CALL_PATH
from loadgen.tests.stand_in_mesh import Objects, base, canary, logic_route, named, resources, set_environment

SEED = FaultRates(33, 32, 3)


def split_of(objects: Objects) -> Split:
    """The split of logic."""
    return read_split(resources(objects), CALL_PATH, remedy="apply it")


def interference_of(objects: Objects) -> tuple[str, ...]:
    """What else changes which requests fail."""
    return canary_proof.read(resources(objects)).interference


class TestWeights:
    def test_the_canary_overlay_is_80_20_with_a_buggy_v2(self):
        """Weights, fault rates and their place."""
        split = split_of(canary())

        assert split.where == "VirtualService sentimesh/logic, spec.http[0]"
        assert split.shares == {"v1": 0.8, "v2": 0.2}
        assert split.fault_rates == {"v1": FaultRates(0, 0, 3), "v2": SEED}
        assert interference_of(canary()) == ()

    @pytest.mark.parametrize(
        ("weights", "shares"),
        [
            ({"v1": 50, "v2": 50}, {"v1": 0.5, "v2": 0.5}),
            ({"v1": 100, "v2": 0}, {"v1": 1.0, "v2": 0.0}),
            ({"v1": 3, "v2": 1}, {"v1": 0.75, "v2": 0.25}),
        ],
    )
    def test_edited_weights_are_what_is_expected(self, weights: dict[str, int], shares: dict[str, float]):
        """The sum need not be 100, and a weight may be 0."""
        assert split_of(canary(**weights)).shares == shares

    def test_a_missing_weight_is_0_and_repeated_versions_add_up(self):
        """As Istio reads them."""
        objects = canary()
        v1, v2 = ({"destination": {"host": "logic", "subset": name}} for name in ("v1", "v2"))
        logic_route(objects)["route"] = [v1 | {"weight": 1}, v2, v1 | {"weight": 3}]

        assert split_of(objects).shares == {"v1": 1.0, "v2": 0.0}

    def test_a_version_can_be_a_service_of_its_own(self):
        """A destination without subset is the version that its Service selects."""
        objects = canary()
        service = {**named(objects, "Service", "logic"), "metadata": {"name": "logic-new"}}
        service["spec"] = {"selector": {"app": "logic", "version": "v2"}}
        logic_route(objects)["route"][1]["destination"] = {"host": "logic-new"}

        assert split_of([*objects, service]).shares == {"v1": 0.8, "v2": 0.2}


class TestNothingToProve:
    def test_the_plain_application_is_not_split(self):
        """The message says what is configured and what to apply."""
        with pytest.raises(NotConfigured) as raised:
            split_of(base())

        assert str(raised.value) == (
            "VirtualService sentimesh/logic, spec.http[0] does not split logic by weights, "
            "it sends everything to logic subset v1; apply it"
        )

    def test_without_a_virtual_service_nothing_splits(self):
        """The sentence says so."""
        objects = [
            item for item in base() if item["metadata"]["name"] != "logic" or item["kind"] != "VirtualService"
        ]

        with pytest.raises(
            NotConfigured, match="no VirtualService of namespace sentimesh routes calls to logic; apply it"
        ):
            split_of(objects)

    def test_something_else_than_a_route(self):
        """A direct response is not a split."""
        objects = canary()
        named(objects, "VirtualService", "logic")["spec"]["http"] = [{"directResponse": {"status": 503}}]

        with pytest.raises(NotConfigured, match="has directResponse instead of a route"):
            split_of(objects)

    @pytest.mark.parametrize(
        ("destination", "sentence"),
        [
            ({"host": "logic", "subset": "v3"}, "logic subset v3, but no DestinationRule has that subset"),
            ({"host": "mind"}, "mind, but there is no such Service"),
            ({"host": "mind", "subset": "v2"}, "mind subset v2, but there is no such Service"),
        ],
    )
    def test_a_destination_that_is_missing(self, destination: dict[str, str], sentence: str):
        """It cannot get a share of the requests."""
        objects = canary()
        logic_route(objects)["route"][1]["destination"] = destination

        with pytest.raises(NotConfigured, match=sentence):
            split_of(objects)

    def test_a_subset_without_deployment(self):
        """The labels that nothing has are named."""
        objects = canary()
        named(objects, "DestinationRule", "logic")["spec"]["subsets"][1]["labels"] = {"version": "v9"}

        with pytest.raises(NotConfigured, match="no Deployment has the labels app=logic, version=v9"):
            split_of(objects)

    def test_weights_that_are_all_0(self):
        """Nothing can be expected of them."""
        with pytest.raises(NotConfigured, match="the weights add up to 0"):
            split_of(canary(v1=0, v2=0))


class TestNotSupported:
    def test_a_destination_of_several_versions(self):
        """Which of them answers is not decided by weights."""
        objects = canary()
        logic_route(objects)["route"][1]["destination"] = {"host": "logic"}

        with pytest.raises(UnsupportedConfig, match="not one version but v1, v2"):
            split_of(objects)

    def test_fault_rates_from_a_config_map(self):
        """A value that is not written in the Deployment is not known here."""
        objects = canary()
        container = named(objects, "Deployment", "logic-v2")["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [
            {"name": "FAULT_ERROR_PERCENT", "valueFrom": {"configMapKeyRef": {"name": "odds"}}}
        ]

        with pytest.raises(
            UnsupportedConfig, match="Deployment logic-v2: the value of FAULT_ERROR_PERCENT is not a number"
        ):
            split_of(objects)

    def test_deployments_of_one_version_that_disagree(self):
        """The version then has no single rate."""
        objects = canary()
        twin = resources(objects).deployments[1] | {"metadata": {"name": "logic-v2-twin"}}
        set_environment(objects, "logic-v2", FAULT_ERROR_PERCENT="1")

        with pytest.raises(UnsupportedConfig, match="the Deployments of logic v2 do not agree"):
            split_of([*objects, twin])


class TestFaultRates:
    def test_edited_rates_are_what_is_expected(self):
        """From the environment of the Deployment, per version."""
        objects = canary()
        set_environment(objects, "logic-v1", FAULT_ERROR_PERCENT="5")
        set_environment(objects, "logic-v2", FAULT_HANG_PERCENT="0", HANG_SECONDS="1.5")

        rates = split_of(objects).fault_rates

        assert rates == {"v1": FaultRates(5, 0, 3), "v2": FaultRates(33, 0, 1.5)}
        assert rates["v2"].failing == 0.33


class TestInterference:
    @pytest.mark.parametrize(
        ("policy", "phrase"),
        [
            (
                {"retries": {"attempts": 3, "retryOn": "gateway-error, 5xx"}},
                "retries on gateway-error, 5xx in ",
            ),
            ({"retries": {"attempts": 1, "retryOn": "500,503"}}, "retries on 500,503 in "),
            ({"retries": {"attempts": 1, "perTryTimeout": "2s"}}, "a timeout for each attempt (2s) in "),
            ({"timeout": "1s"}, "a timeout (1s) in "),
            ({"fault": {"abort": {"httpStatus": 503, "percentage": {"value": 10}}}}, "a fault (abort) in "),
            ({"fault": {"delay": {"fixedDelay": "1s", "percentage": {"value": 100}}}}, "a fault (delay) in "),
        ],
    )
    def test_a_policy_on_the_route_is_named(self, policy: dict[str, Any], phrase: str):
        """A setting other than weights and fault rates that changes failures is named with its place."""
        objects = canary()
        logic_route(objects).update(policy)

        assert interference_of(objects) == (f"{phrase}VirtualService sentimesh/logic, spec.http[0]",)

    @pytest.mark.parametrize(
        "policy",
        [
            {"retries": {"attempts": 2}},
            {"retries": {"attempts": 2, "retryOn": "connect-failure,refused-stream,gateway-error"}},
            {"retries": {"attempts": 0, "retryOn": "5xx"}},
            {"fault": {"abort": {"httpStatus": 503}}},
            {"mirror": {"host": "logic", "subset": "v2"}},
        ],
    )
    def test_a_policy_that_changes_nothing_is_not(self, policy: dict[str, Any]):
        """Retries that leave 500 alone, faults that never happen, copies."""
        objects = canary()
        logic_route(objects).update(policy)

        assert interference_of(objects) == ()

    def test_retries_at_the_gateway_count_by_what_webapp_answers(self):
        """webapp turns logic's 500 into a 502, which gateway-error repeats."""
        objects = canary()
        ingress = named(objects, "VirtualService", "ingress")["spec"]["http"]
        ingress[0]["retries"] = {"attempts": 2, "retryOn": "gateway-error"}
        ingress[1]["timeout"] = "1s"

        assert interference_of(objects) == (
            "retries on gateway-error in VirtualService sentimesh/ingress, spec.http[0]",
        )

    @pytest.mark.parametrize("kind", ["outlierDetection", "connectionPool"])
    def test_pools_and_ejection_are_said(self, kind: str):
        """Also those of one subset."""
        objects = canary()
        rule = named(objects, "DestinationRule", "logic")
        rule["spec"]["subsets"][1]["trafficPolicy"] = {kind: {}}

        assert interference_of(objects) == (f"{kind} in DestinationRule sentimesh/logic",)
