"""A traffic policy as settings of a cluster: connections, load balancing, ejection of failing endpoints.

Istio, "Destination Rule", `TrafficPolicy`; istiod: pilot/pkg/networking/core/cluster_traffic_policy.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from localmesh.catalog.mesh_config import DEFAULT, MeshConfig
from localmesh.translate.formats import duration, whole_seconds

Json = dict[str, Any]
Settings = Mapping[str, Any]

_UNLIMITED = 4294967295
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_THRESHOLDS = (
    ("maxConnections", "tcp", "maxConnections"),
    ("maxPendingRequests", "http", "http1MaxPendingRequests"),
    ("maxRequests", "http", "http2MaxRequests"),
    ("maxRetries", "http", "maxRetries"),
)
_DEFAULT_RING_SIZE = 1024
_DEFAULT_BUDGET_PERCENT = 20
_DEFAULT_RETRY_CONCURRENCY = 3


class PoolDefaults(NamedTuple):
    """What connection pools have where no DestinationRule says otherwise: mesh-wide settings."""

    connect_timeout: str = DEFAULT.connect_timeout
    keepalive: tuple[tuple[str, Any], ...] = ()
    policy: str = ""
    """`defaultTrafficPolicy` as JSON, which can be compared."""

    @classmethod
    def of(cls, mesh_config: MeshConfig) -> PoolDefaults:
        """The defaults of a mesh."""
        keepalive = tuple(sorted((mesh_config.tcp_keepalive or {}).items()))
        policy = mesh_config.default_traffic_policy
        return cls(
            mesh_config.connect_timeout, keepalive, json.dumps(policy, sort_keys=True) if policy else ""
        )

    def under(self, policy: Settings) -> Settings:
        """A traffic policy, with the mesh's blocks where it has none.

        istiod: cluster_traffic_policy.go, `applyDefaultTrafficPolicy`.
        """
        return {**_read(self.policy), **policy} if self.policy else policy


@cache
def _read(policy: str) -> Settings:
    """The mesh's policy, which every cluster asks for."""
    blocks: Settings = json.loads(policy)
    return blocks


ISTIOS = PoolDefaults()


def connection_pool(
    settings: Settings | None,
    *,
    http2: bool,
    sniffed: bool,
    retry_budget: Settings | None = None,
    defaults: PoolDefaults = ISTIOS,
) -> Json:
    """Connect timeout, circuit breaker, keep-alive and HTTP options of a cluster (`ConnectionPoolSettings`).

    `http2`: the port is declared HTTP/2; `sniffed`: its protocol is the caller's. What is unset is
    unlimited; a limit of 0 counts as unset.
    """
    tcp = (settings or {}).get("tcp") or {}
    http = (settings or {}).get("http") or {}
    blocks = {"tcp": tcp, "http": http}
    thresholds = {name: blocks[block].get(field) or _UNLIMITED for name, block, field in _THRESHOLDS}
    pool: Json = {
        "connectTimeout": duration(tcp.get("connectTimeout", defaults.connect_timeout)),
        "circuitBreakers": {"thresholds": [{**thresholds, **_retry_budget(retry_budget)}]},
    }
    keepalive = {**dict(defaults.keepalive), **(tcp.get("tcpKeepalive") or {})}
    if keepalive:
        pool["upstreamConnectionOptions"] = {"tcpKeepalive": _keepalive(keepalive)}
    options = _http_options(tcp, http, http2=http2, sniffed=sniffed)
    if options:
        typed = {**options, "@type": f"type.googleapis.com/{_HTTP_OPTIONS}"}
        pool["typedExtensionProtocolOptions"] = {_HTTP_OPTIONS: typed}
    return pool


def without_upgrade(settings: Settings | None) -> Settings | None:
    """The settings of a connection pool for the called side, where `h2UpgradePolicy` has no effect."""
    http = (settings or {}).get("http") or {}
    if settings is None or "h2UpgradePolicy" not in http:
        return settings
    kept = {name: value for name, value in http.items() if name != "h2UpgradePolicy"}
    return {**settings, "http": kept}


def with_name_checks(pool: Json, checks: Json) -> Json:
    """The settings of a connection pool with what is taken from each request for TLS."""
    return _with_http_options(pool, {"upstreamHttpProtocolOptions": checks}) if checks else pool


def with_http_filters(pool: Json, filters: list[Json]) -> Json:
    """The settings of a connection pool with filters that each request passes before it is sent."""
    return _with_http_options(pool, {"httpFilters": filters})


def _with_http_options(pool: Json, further: Json) -> Json:
    options = pool.get("typedExtensionProtocolOptions", {}).get(_HTTP_OPTIONS)
    # Envoy requires a protocol to be chosen
    options = options or {
        "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
        "explicitHttpConfig": {"httpProtocolOptions": {}},
    }
    return {**pool, "typedExtensionProtocolOptions": {_HTTP_OPTIONS: {**options, **further}}}


def speaks_only_http2(cluster: Mapping[str, Any]) -> bool:
    """Whether the HTTP options of a cluster, from its port or from a DestinationRule, choose HTTP/2."""
    options = cluster.get("typedExtensionProtocolOptions", {}).get(_HTTP_OPTIONS, {})
    return "http2ProtocolOptions" in options.get("explicitHttpConfig", {})


def load_balancer(settings: Settings | None) -> Json:
    """The load balancing policy of a cluster and its settings (`LoadBalancerSettings`).

    The default is least request.
    """
    settings = settings or {}
    if settings.get("consistentHash"):
        return _hashing(settings["consistentHash"])
    simple = settings.get("simple", "UNSPECIFIED")
    if simple == "RANDOM":
        return {"lbPolicy": "RANDOM"}
    if simple == "ROUND_ROBIN":
        return {"lbPolicy": "ROUND_ROBIN", **_slow_start("roundRobinLbConfig", settings)}
    return {"lbPolicy": "LEAST_REQUEST", **_slow_start("leastRequestLbConfig", settings)}


def outlier_detection(settings: Settings | None) -> Json:
    """The outlier detection of a cluster and its panic threshold (`OutlierDetection`).

    None means no ejection at all; an empty block already ejects after five 5xx in a row, Envoy's default.
    Success-rate ejection is always off. Panic mode, in which Envoy uses ejected endpoints too, is off unless
    `minHealthPercent` is set (Envoy, "Outlier detection" and "Panic threshold").
    """
    minimum = (settings or {}).get("minHealthPercent")
    threshold: Json = {"commonLbConfig": {"healthyPanicThreshold": {"value": minimum} if minimum else {}}}
    if settings is None:
        return threshold
    detection = {
        "enforcingSuccessRate": 0,
        **_ejection(settings, "consecutive5xxErrors", "consecutive5xx", "enforcingConsecutive5xx"),
        **_ejection(
            settings,
            "consecutiveGatewayErrors",
            "consecutiveGatewayFailure",
            "enforcingConsecutiveGatewayFailure",
        ),
        **{
            field: duration(settings[field])
            for field in ("interval", "baseEjectionTime")
            if field in settings
        },
        **{field: settings[field] for field in ("maxEjectionPercent",) if settings.get(field)},
        **_local_origin(settings),
    }
    return {"outlierDetection": detection, **threshold}


def _keepalive(keepalive: Settings) -> Json:
    probes = {"keepaliveProbes": keepalive["probes"]} if keepalive.get("probes") else {}
    seconds = {
        name: whole_seconds(keepalive[field])
        for field, name in (("time", "keepaliveTime"), ("interval", "keepaliveInterval"))
        if field in keepalive
    }
    return {**probes, **seconds}


def _pings(keepalive: Settings) -> Json:
    return {field: duration(keepalive[field]) for field in ("interval", "timeout") if field in keepalive}


def _retry_budget(budget: Settings | None) -> Json:
    """How many of the requests to a cluster may be retries; it replaces the limit `maxRetries`."""
    if budget is None:
        return {}
    interval = {"budgetInterval": duration(budget["budgetInterval"])} if "budgetInterval" in budget else {}
    return {
        "retryBudget": {
            "budgetPercent": {"value": budget.get("percent", _DEFAULT_BUDGET_PERCENT)},
            **interval,
            "minRetryConcurrency": budget.get("minRetryConcurrency") or _DEFAULT_RETRY_CONCURRENCY,
        }
    }


def _http_options(tcp: Settings, http: Settings, *, http2: bool, sniffed: bool) -> Json:
    protocol = _protocol(http, http2=http2, sniffed=sniffed)
    common = _common_options(tcp, http)
    if not common and not http.get("maxConcurrentStreams") and not http.get("http2KeepAlive"):
        return protocol
    # lifetimes of connections do not choose a protocol; Envoy requires one to be chosen
    return {
        "commonHttpProtocolOptions": common,
        **(protocol or {"explicitHttpConfig": {"httpProtocolOptions": {}}}),
    }


def _protocol(http: Settings, *, http2: bool, sniffed: bool) -> Json:
    as_caller: Json = {"useDownstreamProtocolConfig": {"httpProtocolOptions": {}, "http2ProtocolOptions": {}}}
    if http.get("useClientProtocol"):
        return as_caller
    if http2 or http.get("h2UpgradePolicy") == "UPGRADE":
        streams = http.get("maxConcurrentStreams")
        options = {
            **({"maxConcurrentStreams": streams} if streams else {}),
            **({"connectionKeepalive": _pings(http["http2KeepAlive"])} if http.get("http2KeepAlive") else {}),
        }
        return {"explicitHttpConfig": {"http2ProtocolOptions": options}}
    return as_caller if sniffed else {}


def _common_options(tcp: Settings, http: Settings) -> Json:
    options: Json = {}
    idle = http.get("idleTimeout") or tcp.get("idleTimeout")
    if idle:
        options["idleTimeout"] = duration(idle)
    if http.get("maxRequestsPerConnection"):
        options["maxRequestsPerConnection"] = http["maxRequestsPerConnection"]
    if tcp.get("maxConnectionDuration"):
        options["maxConnectionDuration"] = duration(tcp["maxConnectionDuration"])
    return options


def _slow_start(config: str, settings: Settings) -> Json:
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


def _hashing(consistent_hash: Settings) -> Json:
    if "maglev" in consistent_hash:
        size = int((consistent_hash["maglev"] or {}).get("tableSize", 0))
        maglev: Json = {"maglevLbConfig": {"tableSize": size}} if size else {}
        return {"lbPolicy": "MAGLEV", **maglev}
    if "ringHash" in consistent_hash:
        size = int((consistent_hash["ringHash"] or {}).get("minimumRingSize", 0))
    else:
        size = int(consistent_hash.get("minimumRingSize", 0)) or _DEFAULT_RING_SIZE
    ring: Json = {"ringHashLbConfig": {"minimumRingSize": size}} if size else {}
    return {"lbPolicy": "RING_HASH", **ring}


def _ejection(settings: Settings, limit: str, field: str, enforcing: str) -> Json:
    """Ejection after a number of failures in a row; 0 switches it off."""
    number = settings.get(limit)
    return {} if number is None else {field: number, enforcing: 100 if number else 0}


def _local_origin(settings: Settings) -> Json:
    if not settings.get("splitExternalLocalOriginErrors"):
        return {}
    number = settings.get("consecutiveLocalOriginFailures")
    failures = (
        {"consecutiveLocalOriginFailure": number, "enforcingConsecutiveLocalOriginFailure": 100}
        if number
        else {}
    )
    return {"splitExternalLocalOriginErrors": True, **failures, "enforcingLocalOriginSuccessRate": 0}
