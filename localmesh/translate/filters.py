"""What a route sets for the HTTP filters in front of it: injected faults and CORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.translate.durations import duration, whole_seconds
from localmesh.translate.matches import string_match
from localmesh.translate.percentages import HUNDRED_PERCENT, fraction

Json = dict[str, Any]

FAULT = "envoy.filters.http.fault"
CORS = "envoy.filters.http.cors"
_NEVER: Mapping[str, Any] = {"numerator": 0, "denominator": "HUNDRED"}


def per_filter_config(route: Mapping[str, Any]) -> Json:
    """The per-route configuration of the fault and CORS filters; empty where the route has neither."""
    out: Json = {}
    fault = _fault(route.get("fault") or {})
    if fault:
        out[FAULT] = {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            **fault,
        }
    if route.get("corsPolicy") is not None:
        out[CORS] = {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            **_cors(route["corsPolicy"]),
        }
    return out


def _fault(fault: Mapping[str, Any]) -> Json:
    """Istio, "Virtual Service", `HTTPFaultInjection`: without a percentage a fault never fires."""
    out: Json = {}
    delay = fault.get("delay")
    if delay is not None and "fixedDelay" in delay:
        out["delay"] = {
            "fixedDelay": duration(delay["fixedDelay"]),
            "percentage": _percentage(delay) or {**_NEVER, "numerator": delay.get("percent", 0)},
        }
    abort = fault.get("abort")
    if abort is not None and "httpStatus" in abort:
        out["abort"] = {"httpStatus": abort["httpStatus"]}
        if percentage := _percentage(abort):
            out["abort"]["percentage"] = percentage
    return out


def _percentage(fault: Mapping[str, Any]) -> Mapping[str, Any] | None:
    percentage = fault.get("percentage")
    return None if percentage is None else fraction(percentage.get("value", 0))


def _cors(policy: Mapping[str, Any]) -> Json:
    """Istio, "Virtual Service", `CorsPolicy`: a preflight that matches no origin goes to the application."""
    out: Json = {
        "filterEnabled": {"defaultValue": HUNDRED_PERCENT},
        "forwardNotMatchingPreflights": policy.get("unmatchedPreflights") != "IGNORE",
    }
    origins = [string_match(origin) for origin in policy.get("allowOrigins") or ()]
    origins = origins or [{"exact": origin} for origin in policy.get("allowOrigin") or ()]
    if origins:
        out["allowOriginStringMatch"] = origins
    for field in ("allowMethods", "allowHeaders", "exposeHeaders"):
        if policy.get(field):
            out[field] = ",".join(policy[field])
    if "maxAge" in policy:
        out["maxAge"] = str(whole_seconds(policy["maxAge"]))
    if "allowCredentials" in policy:
        out["allowCredentials"] = policy["allowCredentials"]
    return out
