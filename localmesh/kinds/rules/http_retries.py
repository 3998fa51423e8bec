"""Retries of HTTP routes (istio: pkg/config/validation/agent, ValidateHTTPRetry)."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from http import HTTPStatus

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

CONDITIONS = (
    "5xx",
    "cancelled",
    "connect-failure",
    "deadline-exceeded",
    "envoy-ratelimited",
    "gateway-error",
    "http3-post-connect-failure",
    "internal",
    "refused-stream",
    "reset",
    "reset-before-request",
    "resource-exhausted",
    "retriable-4xx",
    "retriable-headers",
    "retriable-status-codes",
    "unavailable",
)
"""What Envoy can retry on (its router filter: x-envoy-retry-on and x-envoy-retry-grpc-on)."""

_STATUSES = frozenset(str(status.value) for status in HTTPStatus)


def retries(field: Field) -> Iterator[Problem]:
    """The retry policy of a route is valid."""
    attempts = field.get("attempts")
    if (attempts.integer or 0) < 0:
        yield attempts.problem(
            invalid.BAD_RETRIES, expected="0 or more attempts", remedy="write a number from 0"
        )
    elif not attempts.integer:
        yield from _turned_off(field)
    yield from _conditions(field.get("retryOn"))


def _turned_off(field: Field) -> Iterator[Problem]:
    for name in ("perTryTimeout", "retryOn", "retryRemoteLocalities"):
        setting = field.get(name)
        if setting and setting.value != "":
            yield setting.problem(
                invalid.BAD_RETRIES,
                expected="no other settings, because attempts is 0 (no retries)",
                remedy="write attempts: 3, or remove this field",
            )


def _conditions(retry_on: Field) -> Iterator[Problem]:
    if not retry_on.text:
        return
    for condition in retry_on.text.split(","):
        if condition in CONDITIONS or condition in _STATUSES:
            continue
        bare = condition.strip()
        if bare in CONDITIONS or bare in _STATUSES:
            remedy = f"write {quoted(retry_on.text.replace(' ', ''))}"
            expected = "conditions separated by commas, without spaces"
        else:
            close = get_close_matches(bare.lower(), CONDITIONS, n=1)
            remedy = f"write {close[0]}" if close else f"write one of {', '.join(CONDITIONS)}"
            expected = "a retry condition of Envoy, or a status code"
        yield retry_on.problem(invalid.BAD_RETRIES, found=quoted(condition), expected=expected, remedy=remedy)
