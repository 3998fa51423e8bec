"""Blue-green's proof: the configuration, the switch of it, and verdicts on made-up switches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured
from loadgen.meshstate.gateway_api import virtual_services_of
from loadgen.proofs.blue_green import (
    STEADY,
    SWITCH,
    Colours,
    Switch,
    judge_switch,
    read,
    with_exchanged_weights,
)
from loadgen.proofs.common.proof import change_cluster, change_localmesh
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

WHOLE = (*BASE, "k8s/base/frontend.yaml")


def configured() -> Objects:
    return manifests(*WHOLE, "istio/overlays/blue-green")


def _bound(objects: Objects) -> dict[str, Any]:
    """The spec of the overlay's HTTPRoute with the parent of the base's, which its patch does not repeat."""
    spec: dict[str, Any] = named(objects, "HTTPRoute", "ingress")["spec"]
    return {**spec, "parentRefs": [{"name": "sentimesh"}]}


def answers(count: int, version: str, status: int | None = 200) -> list[Observation]:
    hops = (Hop("frontend", version, "pod"),) if status else ()
    return [Observation(number, status, hops, 0.01) for number in range(count)]


def switch(**found: Any) -> Switch:
    """A switch from v1 to v2 as it should be, apart from what is given."""
    right = {
        "during": answers(500, "v1") + answers(1500, "v2"),
        "after": Measurement(answers(STEADY.count, "v2"), planned=STEADY.count),
        "planned": SWITCH.count,
        "settled": True,
    }
    return Switch(Colours("v1", "v2", "", {}, 0), **(right | found))


def verdicts(made: Switch) -> list[Verdict]:
    return [check.verdict for check in judge_switch(made)]


class TestConfiguration:
    def test_the_overlay_has_a_live_and_an_idle_version(self):
        """100 and 0."""
        colours = read(resources(configured()))

        assert (colours.live, colours.idle) == ("v1", "v2")

    def test_switched_twice_is_as_before(self):
        """And once is what the second step says."""
        colours = read(resources(configured()))
        green = manifests(*WHOLE, "istio/overlays/blue-green/green")

        once = with_exchanged_weights(colours.item, colours.index)

        assert once == named(green, "VirtualService", "ingress")
        assert with_exchanged_weights(once, colours.index) == colours.item
        assert (colours.switched.live, colours.switched.item) == ("v2", once)

    def test_an_httproute_is_switched_as_it_is_written(self):
        """Its rule, with the weights of its backends."""
        objects = manifests(*WHOLE, "istio/base/gateway-api", "istio/overlays/blue-green/gateway-api")
        routes = virtual_services_of([named(objects, "HTTPRoute", "ingress") | {"spec": _bound(objects)}])
        own = replace(resources(objects), virtual_services=tuple(routes))

        colours = read(own)

        backends = colours.switched.item["spec"]["rules"][2]["backendRefs"]
        assert (colours.live, colours.idle) == ("v1", "v2")
        assert [(backend["name"], backend["weight"]) for backend in backends] == [
            ("frontend-v1", 0),
            ("frontend-v2", 100),
        ]

    @pytest.mark.parametrize("weights", [(80, 20), (50, 50)])
    def test_a_split_is_not_blue_green(self, weights: tuple[int, int]):
        """Both versions have users then."""
        objects = configured()
        route = named(objects, "VirtualService", "ingress")["spec"]["http"][-1]["route"]
        for entry, weight in zip(route, weights, strict=True):
            entry["weight"] = weight

        with pytest.raises(NotConfigured):
            read(resources(objects))

    def test_the_base_has_no_idle_version(self):
        """One destination only."""
        with pytest.raises(NotConfigured):
            read(resources(base() + manifests("k8s/base/frontend.yaml")))


class TestVerdicts:
    def test_a_switch_without_a_loss_passes(self):
        """Either version may answer during it."""
        assert verdicts(switch()) == [Verdict.PASS, Verdict.PASS]

    @pytest.mark.parametrize("status", [503, None])
    def test_one_lost_request_is_too_many(self, status: int | None):
        """An error or no answer."""
        during = answers(1999, "v1") + answers(1, "v1", status)

        assert verdicts(switch(during=during)) == [Verdict.FAIL, Verdict.PASS]

    def test_one_answer_of_the_old_version_afterwards_is_too_many(self):
        """All is all."""
        after = Measurement(answers(STEADY.count - 1, "v2") + answers(1, "v1"), planned=STEADY.count)

        assert verdicts(switch(after=after)) == [Verdict.PASS, Verdict.FAIL]

    def test_a_switch_that_does_not_come_fails(self):
        """However many answers there are."""
        assert verdicts(switch(settled=False)) == [Verdict.PASS, Verdict.FAIL]

    def test_what_was_not_waited_for_is_not_lost(self):
        """Ctrl-C makes it inconclusive."""
        during = answers(1000, "v1") + [Observation(0, None, (), 0.01, Loss.ABANDONED)] * 16
        after = Measurement([Observation(0, None, (), 0.01, Loss.ABANDONED)], planned=STEADY.count)

        assert set(verdicts(switch(during=during, after=after))) == {Verdict.INCONCLUSIVE}


class Recorder:
    """An API that writes down what it is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []

    def send(self, method: str, path: str, document: Any, *, media_type: str = "") -> None:
        self.sent.append((method, path, document))


def test_a_change_is_an_apply_here_and_a_replacement_on_a_cluster():
    """The same object, by the means of each place."""
    item = named(configured(), "VirtualService", "ingress")
    here, there = Recorder(), Recorder()

    change_localmesh(here, item)  # type: ignore[arg-type]
    change_cluster(there, item)  # type: ignore[arg-type]

    assert here.sent[0][:2] == ("POST", "/mesh/apply")
    assert here.sent[0][2]["merge"] is True
    path = "/apis/networking.istio.io/v1/namespaces/sentimesh/virtualservices/ingress"
    assert there.sent == [("PATCH", path, {"spec": item["spec"]})]
