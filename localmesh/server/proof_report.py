"""A report of `loadgen prove`, as far as the live page shows it (loadgen/reporting/report.schema.json)."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from localmesh.errors import InvalidRequestError

Json = dict[str, Any]

_TEXT = {"type": "string", "maxLength": 2000}
_VERDICT = {"enum": ["PASS", "FAIL", "INCONCLUSIVE"]}
_NUMBER = {"type": "number"}
_MEASURED = {
    "type": ["object", "null"],
    "properties": {
        "successes": _NUMBER,
        "trials": _NUMBER,
        "share": {"type": ["number", "null"]},
        "interval": {"type": "object", "properties": {"low": _NUMBER, "high": _NUMBER}},
        "expected_share": _NUMBER,
    },
    "required": ["successes", "trials", "share", "interval", "expected_share"],
}
_CHECK = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "verdict": _VERDICT,
        "expected": _TEXT,
        "reason": _TEXT,
        "measured": _MEASURED,
    },
    "required": ["name", "verdict", "expected", "reason", "measured"],
}
_SCENARIO = {
    "type": "object",
    "properties": {
        "scenario": _TEXT,
        "proves": _TEXT,
        "verdict": _VERDICT,
        "seconds": _NUMBER,
        "checks": {"type": "array", "items": _CHECK, "maxItems": 200},
    },
    "required": ["scenario", "proves", "verdict", "seconds", "checks"],
}
_VALIDATOR = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "report": {"const": "loadgen prove"},
            "scenarios": {"type": "array", "items": _SCENARIO, "minItems": 1, "maxItems": 100},
        },
        "required": ["report", "scenarios"],
    }
)


def parse(document: Any) -> list[Json]:
    """The scenarios of a report with what is shown of them. Raises InvalidRequestError."""
    problems = [
        f"{'/'.join(map(str, error.instance_path)) or 'the report'}: {error.message}"
        for error in _VALIDATOR.iter_errors(document)
    ]
    if problems:
        raise InvalidRequestError("; ".join(problems[:5]))
    return [_scenario(scenario) for scenario in document["scenarios"]]


def _scenario(scenario: Json) -> Json:
    shown = {name: scenario[name] for name in _SCENARIO["required"] if name != "checks"}
    return {**shown, "checks": [_check(check) for check in scenario["checks"]]}


def _check(check: Json) -> Json:
    shown = {name: check[name] for name in _CHECK["required"]}
    if check["measured"] is not None:
        shown["measured"] = {name: check["measured"][name] for name in _MEASURED["required"]}
    return shown
