"""The quality of a measurement: percentiles, their bounds, and the reasons where they do not hold."""

from __future__ import annotations

import random

import pytest

from loadgen.http1 import Loss
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import (
    Quality,
    half_of,
    percentile_99,
    quality_of,
)


def answers(*latencies: float) -> Measurement:
    return Measurement([Observation(number, 200, (), latency) for number, latency in enumerate(latencies)])


@pytest.mark.parametrize(
    ("slow", "holds"), [(0, True), (1, True), (2, False)], ids=["none slow", "1 in 100", "2 in 100"]
)
def test_one_slow_control_answer_in_100_is_tolerated(slow: int, holds: bool):
    """And no more."""
    measurement = answers(*[0.01] * (100 - slow), *[0.3] * slow)

    assert (quality_of(measurement, control=lambda _: True).busy == "") is holds


def test_only_control_answers_count():
    """Answers that are configured to be slow say nothing about the machine, nor do abandoned requests."""
    measurement = answers(*[0.01] * 10, *[3.0] * 90)
    measurement.observations += [Observation(0, None, (), 3.0, Loss.ABANDONED)] * 10

    quality = quality_of(measurement, control=lambda one: one.latency_seconds < 1 or one.abandoned)

    assert quality.control_seconds == 0.01


def test_of_several_measurements_the_latest_sender_counts():
    """And the control answers of all."""
    first, second = answers(0.01, 0.02), answers(0.4)
    first.lateness_seconds, second.lateness_seconds = 0.03, 0.01

    quality = quality_of(first, second, control=lambda _: True)

    assert (quality.lateness_seconds, quality.control_seconds) == (0.03, 0.4)


def test_without_control_answers_only_the_sender_counts():
    """There is nothing to compare."""
    quality = quality_of(answers(9.0), control=lambda _: False)

    assert (quality.control_seconds, quality.busy) == (None, "")


def test_the_reason_has_the_figure_and_its_bound():
    """For the sender, for the answers, and for requests of others."""
    assert Quality(0.1262).busy == "1 in 100 requests was sent more than 126.2 ms late, the bound is 125 ms"
    assert Quality(0.0, 0.4, 0.375).busy == (
        "1 in 100 answers that nothing delays took more than 400 ms, the bound is 375 ms"
    )
    assert Quality(foreign_requests=1_200).foreign == "others sent 1,200 requests meanwhile"
    assert Quality(0.125, 0.25).busy == Quality().foreign == ""


def test_the_figures_are_in_the_report():
    """With their bounds."""
    assert str(Quality(0.0012, 0.018, 0.375, 7)) == (
        "99th percentiles: 1.2 ms behind schedule (bound 187.5 ms), control answers 18 ms (bound 375 ms); "
        "7 foreign requests"
    )
    assert str(Quality()) == "no foreign requests"


@pytest.mark.parametrize(
    ("values", "percentile"), [([], None), ([3.0], 3.0), (list(range(100)), 98), (list(range(1000)), 989)]
)
def test_the_percentile_is_one_of_the_values(values: list[float], percentile: float | None):
    """The smallest that 99 % do not exceed."""
    random.Random(1).shuffle(values)

    assert percentile_99(values) == percentile


@pytest.mark.parametrize("deadline", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("stall", [1.0, 1.5, 4.0], ids=lambda factor: f"{factor:g} deadlines")
def test_a_stall_as_long_as_the_deadline_breaks_the_bound(deadline: float, stall: float):
    """The derivation of `half_of`: 800 control requests at 96 a second, of which a stall delays some.

    Those that it delays beyond the deadline are answered by a timeout and are no control answers any more.
    """
    length, rate, count = stall * deadline, 96, 800
    due = [number / rate for number in range(count)]
    begin = 2.0
    latencies = [begin + length - time + 0.01 if begin <= time < begin + length else 0.01 for time in due]
    seen = answers(*(latency for latency in latencies if latency < deadline))

    assert quality_of(seen, control=lambda _: True, bound_seconds=half_of(deadline)).busy
