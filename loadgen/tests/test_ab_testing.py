"""A/B testing's proof, judged on visits that a mesh could have answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import NotConfigured, UnsupportedConfig
from loadgen.proofs.ab_testing import VALUES, Expectation, Visit, judge, read, record
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

PAGE = b'<link href="/static/v1/style.css"><script src="/static/v1/app.js"></script><a href="/else">'


def configured() -> Objects:
    return manifests(*BASE, "istio/overlays/ab-testing")


def answered(version_of: Callable[[int], str], *, status: int = 200) -> Measurement:
    """A page for every value twice, by the version that a number gets."""
    return Measurement(
        [
            Observation(
                number,
                status,
                (Hop("frontend", version_of(number), f"p-{version_of(number)}"),),
                0.01,
                body=PAGE,
            )
            for number in range(2 * len(VALUES))
        ]
    )


def verdicts(*measurements: Measurement) -> dict[str, Verdict]:
    visits: dict[str, Visit] = defaultdict(Visit)
    for measurement in measurements:
        record(visits, VALUES, measurement)
    return {
        check.name: check.verdict
        for check in judge(Expectation("version", {"p-v1": "v1", "p-v2": "v2"}), visits)
    }


def by_value(number: int) -> str:
    return "v1" if number % len(VALUES) % 2 else "v2"


class TestConfiguration:
    def test_the_overlay_hashes_by_a_header(self):
        """The one that the README names."""
        assert read(resources(configured())).header == "version"

    def test_another_header_is_what_gets_proven(self):
        """As edited."""
        objects = configured()
        policy = named(objects, "DestinationRule", "frontend")["spec"]["trafficPolicy"]
        policy["loadBalancer"]["consistentHash"]["httpHeaderName"] = "visitor"

        assert read(resources(objects)).header == "visitor"

    def test_the_base_does_not_hash(self):
        """Nothing to prove."""
        with pytest.raises(NotConfigured, match="hashes frontend consistently"):
            read(resources(base()))

    @pytest.mark.parametrize(
        ("route", "reason"),
        [
            ([{"destination": {"host": "frontend", "subset": "v1"}}], "not to all pods"),
            (
                [
                    {"destination": {"host": "frontend", "subset": "v1"}, "weight": 50},
                    {"destination": {"host": "frontend", "subset": "v2"}, "weight": 50},
                ],
                "draws one for each request",
            ),
        ],
    )
    def test_a_hash_does_nothing_across_subsets(self, route: list[Any], reason: str):
        """The well-known trap."""
        objects = configured()
        named(objects, "VirtualService", "ingress")["spec"]["http"][-1]["route"] = route

        with pytest.raises(NotConfigured, match=reason):
            read(resources(objects))

    def test_a_hash_of_something_else_is_not_supported(self):
        """Cookies and addresses are not sent here."""
        objects = configured()
        policy = named(objects, "DestinationRule", "frontend")["spec"]["trafficPolicy"]
        policy["loadBalancer"]["consistentHash"] = {"useSourceIp": True}

        with pytest.raises(UnsupportedConfig, match="useSourceIp"):
            read(resources(objects))


class TestVerdicts:
    def test_a_mesh_that_pins_every_value_passes(self):
        """Half of the values to each version."""
        assert set(verdicts(answered(by_value)).values()) == {Verdict.PASS}

    def test_one_value_at_two_pods_is_too_many(self):
        """Of 200."""
        judged = verdicts(answered(lambda number: "v1" if number == 0 else by_value(number)))

        assert judged["same value, same pod"] is judged["pages of one version"] is Verdict.FAIL

    def test_one_version_for_all_fails(self):
        """Everybody is pinned, and nothing is tested."""
        judged = verdicts(answered(lambda _: "v1"))

        assert judged["all versions reached"] is Verdict.FAIL
        assert judged["same value, same pod"] is Verdict.PASS

    def test_a_file_that_is_not_there_fails(self):
        """As another version answers for it."""
        judged = verdicts(answered(by_value), answered(by_value, status=404))

        assert judged["pages of one version"] is Verdict.FAIL

    def test_no_answers_are_inconclusive(self):
        """Nothing is known then."""
        lost = Measurement(
            [Observation(number, None, (), 1.0, Loss.TIMEOUT) for number in range(2 * len(VALUES))]
        )

        assert set(verdicts(lost).values()) == {Verdict.INCONCLUSIVE}
