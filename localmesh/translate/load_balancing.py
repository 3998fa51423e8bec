"""Load balancing of a cluster (Istio, "Destination Rule", `LoadBalancerSettings`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.translate.durations import duration

Json = dict[str, Any]
_DEFAULT_RING_SIZE = 1024


def load_balancer(settings: Mapping[str, Any] | None) -> Json:
    """The cluster's policy and its configuration; least request where nothing is written."""
    settings = settings or {}
    if settings.get("consistentHash"):
        return _hashing(settings["consistentHash"])
    simple = settings.get("simple", "UNSPECIFIED")
    if simple == "RANDOM":
        return {"lbPolicy": "RANDOM"}
    if simple == "ROUND_ROBIN":
        return {"lbPolicy": "ROUND_ROBIN", **_slow_start("roundRobinLbConfig", settings)}
    return {"lbPolicy": "LEAST_REQUEST", **_slow_start("leastRequestLbConfig", settings)}


def _slow_start(config: str, settings: Mapping[str, Any]) -> Json:
    warmup = settings.get("warmup")
    if warmup:
        slow_start: Json = {
            "slowStartWindow": duration(warmup["duration"]),
            "aggression": {"defaultValue": warmup.get("aggression", 1), "runtimeKey": "("},
            "minWeightPercent": {"value": warmup.get("minimumPercent", 10)},
        }
    elif "warmupDurationSecs" in settings:
        slow_start = {"slowStartWindow": duration(settings["warmupDurationSecs"])}
    else:
        return {}
    return {config: {"slowStartConfig": slow_start}}


def _hashing(consistent_hash: Mapping[str, Any]) -> Json:
    if "maglev" in consistent_hash:
        size = int((consistent_hash["maglev"] or {}).get("tableSize", 0))
        config: Json = {"maglevLbConfig": {"tableSize": size}} if size else {}
        return {"lbPolicy": "MAGLEV", **config}
    if "ringHash" in consistent_hash:
        size = int((consistent_hash["ringHash"] or {}).get("minimumRingSize", 0))
    else:
        size = int(consistent_hash.get("minimumRingSize", 0)) or _DEFAULT_RING_SIZE
    config = {"ringHashLbConfig": {"minimumRingSize": size}} if size else {}
    return {"lbPolicy": "RING_HASH", **config}
