"""Mirrored requests (Istio, "Virtual Service", `HTTPRoute.mirror` and `HTTPMirrorPolicy`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localmesh.translate.percentages import HUNDRED_PERCENT, fraction

Json = dict[str, Any]


def mirror_policies(route: Mapping[str, Any], cluster_of: Callable[[Mapping[str, Any]], str]) -> list[Json]:
    """The mirror policies of a route: all requests where no percentage is written, none at 0 %."""
    wanted: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = []
    if "mirror" in route:
        wanted.append((route["mirror"], _single_percentage(route)))
    for mirror in route.get("mirrors") or ():
        if "destination" in mirror:
            percentage = mirror.get("percentage")
            share = HUNDRED_PERCENT if percentage is None else _share(percentage.get("value", 0))
            wanted.append((mirror["destination"], share))
    return [_policy(cluster_of(destination), share) for destination, share in wanted if share is not None]


def _single_percentage(route: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if route.get("mirrorPercentage") is not None:
        return _share(route["mirrorPercentage"].get("value", 0))
    if route.get("mirrorPercent") is not None:
        percent = route["mirrorPercent"]
        return {"numerator": percent, "denominator": "HUNDRED"} if percent else None
    return HUNDRED_PERCENT


def _share(percent: float) -> Mapping[str, Any] | None:
    return fraction(percent) if percent > 0 else None


def _policy(cluster: str, share: Mapping[str, Any]) -> Json:
    return {
        "cluster": cluster,
        "runtimeFraction": {"defaultValue": share},
        "traceSampled": False,
        # since Istio 1.28 the copy's Host is not changed: the application cannot tell it from the original
        "disableShadowHostSuffixAppend": True,
    }
