"""Telemetry: its record and what Istio requires of it (istio: ValidateTelemetry)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.cel import CelSyntaxError, check
from localmesh.kinds.kind import REMOVE_FIELD, Kind
from localmesh.kinds.rules.istio import policy_selector, targets
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def filters(root: Field) -> Iterator[Problem]:
    """What access logs are filtered by is an expression."""
    for logging in root.get("spec", "accessLogging").items():
        yield from _expression(logging.get("filter", "expression"))


def tag_overrides(root: Field) -> Iterator[Problem]:
    """A tag has an expression, unless it is removed."""
    for metrics in root.get("spec", "metrics").items():
        for override in metrics.get("overrides").items():
            for _, tag in override.get("tagOverrides").entries():
                yield from _tag(tag)


def _tag(tag: Field) -> Iterator[Problem]:
    value = tag.get("value")
    if tag.get("operation").text == "REMOVE":
        if value.text:
            expected = "no value: a tag that is removed has none"
            yield value.problem(invalid.BAD_TAG, expected=expected, remedy="remove the value")
        return
    if not value.text:
        yield (value or tag).problem(
            invalid.BAD_TAG,
            found="a tag without a value",
            expected="an expression, or the operation REMOVE",
            remedy="add value, such as request.host",
        )
    yield from _expression(value)


def _expression(field: Field) -> Iterator[Problem]:
    if not field.text:
        return
    try:
        check(field.text)
    except CelSyntaxError as error:
        yield field.problem(invalid.BAD_EXPRESSION, reason=f"{error}, at character {error.position + 1}")


TELEMETRY = Kind(
    group="telemetry.istio.io",
    name="Telemetry",
    versions=("v1", "v1alpha1"),
    plural="telemetries",
    short_names=("telemetry",),
    rules=(policy_selector, targets, filters, tag_overrides),
    unsupported_fields={
        "spec.metrics[].overrides[].match.customMetric": REMOVE_FIELD,
        "spec.tracing[].disableContextPropagation": REMOVE_FIELD,
    },
    ineffective_fields={
        "spec.metrics[].reportingInterval": "the bytes of a connection are counted when it ends",
    },
)
