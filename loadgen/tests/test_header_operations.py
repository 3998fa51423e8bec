"""The proof of header operations: expectations of the configuration, and verdicts on made-up answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadgen.http1 import Target
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import MeshApi, NotConfigured, UnsupportedConfig
from loadgen.proofs.common.proof import ProofContext
from loadgen.proofs.header_operations import TIMES, Expectation, Observed, Probe, judge, probes_for, read
from loadgen.reporting.progress import listener
from loadgen.statistics.judge import Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, base, manifests, named, resources

OWN = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


class OnePod(MeshApi):
    """An API with one pod of whatever is asked for, which answers with the page's headers."""

    def pods(self, **_: str) -> Any:
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        return ({"metadata": {"name": "pod"}, "status": ready},)

    def pod_headers(self, *_: Any) -> dict[str, str]:
        return OWN


def configured() -> Objects:
    return manifests(*BASE, "istio/overlays/header-operations")


def route(objects: Objects, name: str) -> dict[str, Any]:
    """A route of the ingress VirtualService."""
    routes = named(objects, "VirtualService", "ingress")["spec"]["http"]
    return next(route for route in routes if route.get("name") == name)


def without_cors() -> Objects:
    objects = configured()
    del route(objects, "sentiment")["corsPolicy"]
    return objects


def probes_of(objects: Objects) -> tuple[list[Probe], list[str]]:
    with OnePod("http://127.0.0.1:1", "sentimesh") as api:
        context = ProofContext(api, Target("gateway", 80), listener("header-operations"))
        expectation = read(resources(objects))
        return probes_for(context, expectation), list(expectation.missing)


def expected(objects: Objects) -> dict[str, str]:
    """What is expected of each operation."""
    probes, _ = probes_of(objects)
    return {wanted.name: wanted.expected for probe in probes for wanted in probe.properties}


class TestExpectations:
    def test_every_operation_of_the_overlay_is_looked_at(self):
        """With what must be seen of it."""
        assert expected(configured()) == {
            "redirect status": "302",
            "redirect location": "http://gateway/",
            "rewrite /who-are-you": "/about of frontend",
            "request set x-came-by": "gateway",
            "request add x-seen-by": "from-the-caller, gateway",
            "request remove x-secret": "absent",
            "response set cache-control": "private",
            "response add x-passed-through": "gateway",
            "response remove referrer-policy": "absent",
            "cors preflight": "200",
            "cors origin": "https://partner.example",
            "cors methods": "POST",
            "cors headers": "content-type",
            "cors max-age": "600",
            "cors allowed origin": "https://partner.example",
            "cors another origin": "absent",
        }

    def test_edited_values_are_what_is_expected(self):
        """The configured values, not those of the proof."""
        objects = configured()
        route(objects, "moved")["redirect"] = {"uri": "/new", "authority": "elsewhere.example"}
        route(objects, "who-are-you")["headers"]["request"]["set"] = {"x-other": "value"}

        values = expected(objects)

        assert values["redirect status"] == "301"
        assert values["redirect location"] == "http://elsewhere.example/new"
        assert values["request set x-other"] == "value"

    def test_the_base_operates_on_nothing(self):
        """Which is not configured."""
        with pytest.raises(NotConfigured):
            probes_of(base())

    @pytest.mark.parametrize(
        ("name", "field", "missing"),
        [("moved", "redirect", "redirect"), ("sentiment", "corsPolicy", "corsPolicy")],
    )
    def test_what_is_taken_away_fails(self, name: str, field: str, missing: str):
        """The others are still looked at."""
        objects = configured()
        del route(objects, name)[field]

        probes, failed = probes_of(objects)

        assert failed == [missing]
        assert probes

    def test_what_is_missing_fails_by_its_field(self):
        """With what to apply."""
        expectation = Expectation({}, {"corsPolicy": "no route has it; apply it"})

        (check,) = judge(expectation, Observed([], Measurement()))

        assert (check.name, check.verdict) == ("corsPolicy", Verdict.FAIL)
        assert check.reason.endswith("apply it")

    def test_the_same_configuration_is_the_same_expectation(self):
        """So that a change while requests are sent is noticed, and nothing else."""
        assert (
            read(resources(configured())) == read(resources(configured())) != read(resources(without_cors()))
        )

    def test_removing_what_was_not_there_says_nothing(self):
        """That a header is absent proves its removal only if the pod sends it."""
        objects = configured()
        route(objects, "page")["headers"]["response"]["remove"] = ["x-never-there"]

        with pytest.raises(UnsupportedConfig, match="x-never-there"):
            probes_of(objects)

    def test_a_route_behind_another_one_is_not_supported(self):
        """No request of the proof would reach it."""
        objects = configured()
        routes = named(objects, "VirtualService", "ingress")["spec"]["http"]
        routes.insert(0, {"match": [{"uri": {"prefix": "/who"}}], "route": routes[-1]["route"]})

        with pytest.raises(UnsupportedConfig):
            probes_of(objects)


PROBES, _ = probes_of(configured())
ARRIVED = {"x-came-by": "gateway", "x-seen-by": "from-the-caller,gateway"}
ABOUT = {"service": "frontend", "headers": ARRIVED}


class TestVerdicts:
    def verdicts(self, index: int, head: str, body: Any = None, *, count: int = TIMES) -> dict[str, Verdict]:
        """The verdicts of one probe if this is each of its answers."""
        status = int(head.split()[1])
        one = Observation(
            0, status, (), 0.01, head=f"{head}\r\n\r\n".encode(), body=json.dumps(body).encode()
        )
        observed = Observed([PROBES[index]], Measurement([one] * count))
        checks = judge(Expectation({}, {}), observed)
        return {check.name: check.verdict for check in checks}

    def test_a_redirect_to_where_it_should_passes(self):
        """Status and place."""
        judged = self.verdicts(0, "HTTP/1.1 302 Found\r\nlocation: http://gateway/")

        assert set(judged.values()) == {Verdict.PASS}

    def test_another_redirect_fails(self):
        """Both are looked at."""
        judged = self.verdicts(0, "HTTP/1.1 301 Moved\r\nlocation: http://gateway/else")

        assert set(judged.values()) == {Verdict.FAIL}

    def test_what_arrived_is_read_from_about(self):
        """Several values of a header in one form."""
        assert set(self.verdicts(2, "HTTP/1.1 200 OK", ABOUT).values()) == {Verdict.PASS}

    def test_a_header_that_was_not_removed_fails(self):
        """The caller's own arrived."""
        headers = {**ARRIVED, "x-secret": "from-the-caller", "x-came-by": "from-the-caller"}

        judged = self.verdicts(2, "HTTP/1.1 200 OK", {**ABOUT, "headers": headers})

        assert judged["request remove x-secret"] is judged["request set x-came-by"] is Verdict.FAIL
        assert judged["request add x-seen-by"] is Verdict.PASS

    def test_a_path_that_was_not_rewritten_fails(self):
        """It is not found then."""
        assert set(self.verdicts(1, "HTTP/1.1 404 Not Found").values()) == {Verdict.FAIL}

    def test_too_few_answers_are_inconclusive(self):
        """Lost ones tell nothing."""
        assert set(self.verdicts(0, "HTTP/1.1 302 Found", count=3).values()) == {Verdict.INCONCLUSIVE}
