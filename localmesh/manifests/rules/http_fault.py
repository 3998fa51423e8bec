"""Injected faults (istio: validateHTTPFaultInjection)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

SMALLEST = 0.0001
"""Percent; Envoy counts in millionths."""


def fault(field: Field) -> Iterator[Problem]:
    """The faults of a route."""
    abort, delay = field.get("abort"), field.get("delay")
    if not abort and not delay:
        yield field.problem(invalid.EMPTY_BLOCK, expected="abort and delay")
    yield from percentage(abort.get("percentage", "value"))
    yield from percentage(delay.get("percentage", "value"))
    yield from status(abort.get("httpStatus"))
    for unknown, remedy in (
        (abort.get("http2Error"), "write httpStatus or grpcStatus"),
        (delay.get("exponentialDelay"), "write fixedDelay"),
    ):
        if unknown:
            yield unknown.problem(invalid.BAD_FAULT, expected="a fault that Istio knows", remedy=remedy)


def percentage(value: Field, least: float = SMALLEST) -> Iterator[Problem]:
    """A share in percent; what is above 0 must not be below `least`."""
    if value.number is None:
        return
    if not 0 <= value.number <= 100 or 0 < value.number < least:
        expected = f"0, or a number from {least:.4f} to 100" if least else "a number from 0 to 100"
        yield value.problem(invalid.BAD_PERCENTAGE, expected=expected)


def status(code: Field) -> Iterator[Problem]:
    """The status of an answer; Istio lets 600 pass, which is no status and which Envoy refuses."""
    if code.integer is not None and not 200 <= code.integer <= 599:
        yield code.problem(invalid.BAD_STATUS, expected="a number from 200 to 599")
