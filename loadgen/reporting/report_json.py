"""Verdicts for programs: the document that `report.schema.json` describes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.meshstate import MeshLocation
from loadgen.proofs.common.proof import Result
from loadgen.statistics.binomial import Interval
from loadgen.statistics.design import CONFIDENCE, POWER
from loadgen.statistics.judge import Check, Measured, overall


def document(
    results: Sequence[Result], *, mesh: MeshLocation, gateway: str, started: datetime
) -> dict[str, Any]:
    """The whole report; shares are in 0..1."""
    return {
        "report": "loadgen prove",
        "version": 1,
        "verdict": str(overall(result.verdict for result in results)),
        "started": started.isoformat(timespec="seconds"),
        "mesh": mesh.api,
        "state_folder": mesh.state_folder,
        "gateway": gateway,
        "confidence": CONFIDENCE,
        "power": POWER,
        "scenarios": [_scenario(result) for result in results],
    }


def _scenario(result: Result) -> dict[str, Any]:
    return {
        "scenario": result.scenario,
        "proves": result.proves,
        "verdict": str(result.verdict),
        "seconds": round(result.seconds, 3),
        "facts": result.facts,
        "measurements": [
            _measurement(load_plan, measurement) for load_plan, measurement in result.measurements
        ],
        "checks": [_check(check) for check in result.checks],
    }


def _measurement(load_plan: LoadPlan, measurement: Measurement) -> dict[str, Any]:
    parts = load_plan.parts()
    method, path = next(iter(parts))
    return {
        "method": method,
        "path": path,
        "requests": [
            {"method": method, "path": path, "planned": count} for (method, path), count in parts.items()
        ],
        "planned": load_plan.count,
        "sent": len(measurement),
        "at_once": load_plan.connections,
        "seconds": round(measurement.seconds, 3),
        "interrupted": measurement.interrupted,
        "statuses": {str(status): count for status, count in measurement.statuses.items()},
        "losses": {str(loss): count for loss, count in sorted(measurement.losses.items())},
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "verdict": str(check.verdict),
        "expected": check.expected,
        "reason": check.reason,
        "measured": None if check.measured is None else _measured(check.measured),
    }


def _measured(measured: Measured) -> dict[str, Any]:
    return {
        "successes": measured.count.successes,
        "trials": measured.count.trials,
        "unknown": measured.count.unknown,
        "share": measured.count.share,
        "interval": _interval(measured.interval),
        "expected_share": measured.design.expected,
        "planned_trials": measured.design.trials,
        "band": _interval(measured.design.acceptance_region),
        "noticed": measured.design.minimum_detectable_effect,
    }


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}
