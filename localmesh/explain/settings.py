"""The settings of a cluster in plain words, each with the level of the DestinationRule that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.catalog import Catalog, Proxy
from localmesh.catalog.destination_rules import PolicyBlock
from localmesh.explain.explanation import Reference, Setting

Json = Mapping[str, Any]

DEFAULT = "default"
"""The level of settings that no DestinationRule has."""
_UNLIMITED = 4294967295
_POLICIES = {
    "LEAST_REQUEST": "least request",
    "ROUND_ROBIN": "round robin",
    "RANDOM": "random",
    "RING_HASH": "consistent hash (ring)",
    "MAGLEV": "consistent hash (Maglev)",
    "CLUSTER_PROVIDED": "the requested host",
}
_LIMITS = {
    "maxConnections": "connections",
    "maxPendingRequests": "pending requests",
    "maxRequests": "concurrent requests",
    "maxRetries": "concurrent retries",
}
_EJECTIONS = (
    ("consecutive5xx", "enforcingConsecutive5xx", "consecutive 5xx errors"),
    ("consecutiveGatewayFailure", "enforcingConsecutiveGatewayFailure", "consecutive gateway errors"),
)


def settings_of(catalog: Catalog, proxy: Proxy, cluster: Json) -> tuple[Setting, ...]:
    """The settings of an outbound cluster of a proxy."""
    parts = str(cluster["name"]).split("|")
    blocks: Mapping[str, PolicyBlock] = {}
    if len(parts) == 4:
        rule = catalog.rule_for(parts[3], proxy.namespace, proxy.labels)
        blocks = rule.blocks_for(int(parts[1]), rule.subset(parts[2])) if rule else {}
    return tuple(_settings(cluster, blocks))


def _settings(cluster: Json, blocks: Mapping[str, PolicyBlock]) -> Iterator[Setting]:
    policy = str(cluster.get("lbPolicy", "ROUND_ROBIN"))
    yield _setting("load balancer", _POLICIES.get(policy, policy), blocks.get("loadBalancer"))
    pool = blocks.get("connectionPool")
    limits = ", ".join(_limits(cluster))
    if limits or pool is not None:
        yield _setting("connection pool", limits or "none", pool)
    yield _setting("connect timeout", str(cluster.get("connectTimeout", "5s")), _with(pool, "connectTimeout"))
    detection = cluster.get("outlierDetection")
    if detection is not None:
        yield _setting("outlier detection", _ejection(detection), blocks.get("outlierDetection"))
    if "tls" in blocks:
        yield _setting("TLS", str(blocks["tls"].settings.get("mode", "DISABLE")), blocks["tls"])


def _with(block: PolicyBlock | None, field: str) -> PolicyBlock | None:
    """The block of the connection pool if it sets a field for TCP."""
    return block if block is not None and field in (block.settings.get("tcp") or {}) else None


def _setting(name: str, value: str, block: PolicyBlock | None) -> Setting:
    if block is None:
        return Setting(name, value, DEFAULT)
    origin = block.origin
    reference = Reference(origin.resource, origin.path) if origin is not None else None
    return Setting(name, value, block.level.value, reference)


def _limits(cluster: Json) -> Iterator[str]:
    for thresholds in (cluster.get("circuitBreakers") or {}).get("thresholds") or ():
        for name, words in _LIMITS.items():
            if thresholds.get(name, _UNLIMITED) != _UNLIMITED:
                yield f"{thresholds[name]} {words}"
    for options in (cluster.get("typedExtensionProtocolOptions") or {}).values():
        common = options.get("commonHttpProtocolOptions") or {}
        if "maxRequestsPerConnection" in common:
            yield f"{common['maxRequestsPerConnection']} requests per connection"
        if "idleTimeout" in common:
            yield f"idle connections close after {common['idleTimeout']}"


def _ejection(detection: Json) -> str:
    """What ejects an endpoint, and for how long; Envoy's own defaults where nothing is set."""
    reasons = [
        f"{detection.get(field, 5)} {words}"
        for field, enforcing, words in _EJECTIONS
        if detection.get(enforcing, 100 if field == "consecutive5xx" else 0)
    ]
    time = detection.get("baseEjectionTime", "30s")
    share = detection.get("maxEjectionPercent", 10)
    after = f"ejects after {' or '.join(reasons)}" if reasons else "ejects none"
    return f"{after}, for {time} and longer, at most {share} % of the endpoints"
