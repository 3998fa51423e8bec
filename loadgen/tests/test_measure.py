"""Sending what a proof planned: paced, until something is seen, and recorded request by request."""

from __future__ import annotations

import pytest

from loadgen.http1 import Request, Target
from loadgen.measurement.measure import LoadPlan, measure
from loadgen.tests.servers import always, answer, serving


def test_a_shipment_ends_once_what_it_waits_for_is_seen():
    """What is under way then is still counted; the rest is not sent, and that is no interruption."""
    with serving(always(answer())) as url:
        load_plan = LoadPlan((Request(),), 500, 1, 5, until=lambda one: one.number == 6)

        measurement = measure(load_plan, Target.from_url(url), lambda _: None)

    assert 7 <= len(measurement) <= 8
    assert not measurement.interrupted


def test_a_shipment_with_a_rate_keeps_to_it():
    """Twenty requests at 200 a second take a tenth of a second, however fast the answers are."""
    with serving(always(answer())) as url:
        measurement = measure(
            LoadPlan((Request(),), 20, 4, 5, rate=200), Target.from_url(url), lambda _: None
        )

    assert len(measurement) == 20
    assert measurement.seconds >= 19 / 200 - 0.005


@pytest.mark.parametrize(
    ("requests", "count", "description"),
    [
        ((Request("POST", "/a"),), 7, "7 × POST http://b.example/a, 2 at once"),
        (
            (Request(path="/a"), Request("POST", "/a"), Request(path="/a"), Request(path="/c")),
            1234,
            "1,234 requests to http://b.example, 2 at once: 617 × GET /a, 309 × POST /a, 308 × GET /c",
        ),
        ((Request(path="/a"), Request(path="/b")), 1, "1 × GET http://b.example/a, 2 at once"),
    ],
)
def test_a_load_is_described_completely(requests: tuple[Request, ...], count: int, description: str):
    """A mixture is not described by its first request alone, and requests that are not sent are not named."""
    load_plan = LoadPlan(requests, count, 2, 5)

    assert load_plan.described(Target("b.example", 80)) == description
    assert sum(load_plan.parts().values()) == count


def test_how_it_is_sent_is_said_with_it():
    """The rate, that it may end before, and the time once that is known."""
    load_plan = LoadPlan((Request(),), 9, 2, 5, rate=50, until=lambda _: True)

    description = load_plan.described(Target("b.example", 80), 1.25)

    assert description == "at most 9 × GET http://b.example/, 50 a second, 2 at once, 1.2 s"


@pytest.mark.parametrize(("headers", "overloaded"), [("x-envoy-overloaded: true\r\n", True), ("", False)])
def test_what_a_proof_needs_of_an_answer_is_recorded(headers: str, overloaded: bool):
    """Its request id, whether a breaker answered, and when it ended, from the beginning on."""
    with serving(always(answer(503, headers=f"x-request-id: abc\r\n{headers}"))) as url:
        measurement = measure(LoadPlan((Request(),), 2, 1, 5), Target.from_url(url), lambda _: None)

    one, other = measurement.observations
    assert (one.request_id, one.overloaded) == ("abc", overloaded)
    assert 0 < one.ended_seconds < other.ended_seconds <= measurement.seconds
