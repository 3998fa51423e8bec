"""Verdicts as JSON: the document that `report.schema.json` describes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement
from loadgen.measurement.quality import LATENESS_BOUND_SECONDS, Quality
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
        "version": 2,
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
        "facts": dict(result.facts),
        "quality": None if result.quality is None else _quality(result.quality),
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
        "lateness_seconds": round(measurement.lateness_seconds, 6),
        "interrupted": measurement.interrupted,
        "statuses": {str(status): count for status, count in measurement.statuses.items()},
        "losses": {str(loss): count for loss, count in sorted(measurement.losses.items())},
    }


def _quality(quality: Quality) -> dict[str, Any]:
    return {
        "lateness_seconds": round(quality.lateness_seconds, 6),
        "lateness_bound_seconds": LATENESS_BOUND_SECONDS,
        "control_seconds": None if quality.control_seconds is None else round(quality.control_seconds, 6),
        "control_bound_seconds": quality.control_bound_seconds,
        "foreign_requests": quality.foreign_requests,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "verdict": str(check.verdict),
        "expected": check.expected,
        "cause": None if check.cause is None else str(check.cause),
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
        "acceptance_region": _interval(measured.design.acceptance_region),
        "minimum_detectable_effect": measured.design.minimum_detectable_effect,
    }


def _interval(interval: Interval) -> dict[str, float]:
    return {"low": interval.low, "high": interval.high}
