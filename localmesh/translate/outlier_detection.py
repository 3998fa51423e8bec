"""Ejection of failing endpoints.

Istio, "Destination Rule", `OutlierDetection`; Envoy, "Outlier detection".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.translate.durations import duration

Json = dict[str, Any]


def outlier_detection(settings: Mapping[str, Any] | None) -> Json:
    """The cluster's outlier detection and panic threshold; `settings` None means no ejection at all.

    An empty block already ejects after five 5xx in a row, Envoy's default; success-rate ejection is
    always off. Panic mode, in which Envoy uses ejected endpoints too, is off unless asked for.
    """
    panic: Json = {"commonLbConfig": {"healthyPanicThreshold": {}}}
    if settings is None:
        return panic
    out: Json = {"enforcingSuccessRate": 0}
    _count(out, settings.get("consecutive5xxErrors"), "consecutive5xx", "enforcingConsecutive5xx")
    _count(
        out,
        settings.get("consecutiveGatewayErrors"),
        "consecutiveGatewayFailure",
        "enforcingConsecutiveGatewayFailure",
    )
    for field in ("interval", "baseEjectionTime"):
        if field in settings:
            out[field] = duration(settings[field])
    if settings.get("maxEjectionPercent"):
        out["maxEjectionPercent"] = settings["maxEjectionPercent"]
    if settings.get("splitExternalLocalOriginErrors"):
        out["splitExternalLocalOriginErrors"] = True
        if settings.get("consecutiveLocalOriginFailures"):
            out["consecutiveLocalOriginFailure"] = settings["consecutiveLocalOriginFailures"]
            out["enforcingConsecutiveLocalOriginFailure"] = 100
        out["enforcingLocalOriginSuccessRate"] = 0
    if settings.get("minHealthPercent"):
        panic = {"commonLbConfig": {"healthyPanicThreshold": {"value": settings["minHealthPercent"]}}}
    return {"outlierDetection": out, **panic}


def _count(out: Json, number: int | None, field: str, enforcing: str) -> None:
    if number is not None:
        out[field] = number
        out[enforcing] = 100 if number else 0
