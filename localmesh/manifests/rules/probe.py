"""What Kubernetes asks of a probe."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.manifests.rules.ports import port_number_or_name
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")

_NOT_NEGATIVE = (
    "failureThreshold",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "timeoutSeconds",
)


def probe(field: Field, *, must_succeed_once: bool) -> Iterator[Problem]:
    """One probe, if there is one; start and liveness are proven by the first success."""
    if not field:
        return
    present = [handler for handler in HANDLERS if field.get(handler)]
    if len(present) != 1:
        found = f"it has {listed(present)}" if present else "it has none"
        yield field.problem(invalid.BAD_PROBE, found=found)
    for handler in ("httpGet", "tcpSocket", "grpc"):
        yield from port_number_or_name(field.get(handler, "port"))
    yield from _numbers(field, must_succeed_once)


def _numbers(field: Field, must_succeed_once: bool) -> Iterator[Problem]:
    for name in _NOT_NEGATIVE:
        number = field.get(name)
        if (number.integer or 0) < 0:
            yield number.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write a number from 0")
    successes = field.get("successThreshold")
    if must_succeed_once and (successes.integer or 1) > 1:
        yield successes.problem(invalid.OUT_OF_RANGE, expected="1, in this probe", remedy="remove the field")
