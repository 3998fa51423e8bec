"""Limits and lifetimes of a cluster's connections (Istio, "Destination Rule", `ConnectionPoolSettings`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.translate.durations import duration, whole_seconds

Json = dict[str, Any]

_UNLIMITED = 4294967295
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_THRESHOLDS = (
    ("maxConnections", "tcp", "maxConnections"),
    ("maxPendingRequests", "http", "http1MaxPendingRequests"),
    ("maxRequests", "http", "http2MaxRequests"),
    ("maxRetries", "http", "maxRetries"),
)


def connection_pool(settings: Mapping[str, Any] | None, *, http2: bool, sniffed: bool) -> Json:
    """Connect timeout, circuit breaker, keep-alive and HTTP options of a cluster.

    `http2`: the port is declared HTTP/2; `sniffed`: its protocol is the caller's. What is unset is
    unlimited; a limit of 0 counts as unset.
    """
    tcp = (settings or {}).get("tcp") or {}
    http = (settings or {}).get("http") or {}
    blocks = {"tcp": tcp, "http": http}
    out: Json = {
        "connectTimeout": duration(tcp.get("connectTimeout", "10s")),
        "circuitBreakers": {
            "thresholds": [
                {name: blocks[block].get(field) or _UNLIMITED for name, block, field in _THRESHOLDS}
            ]
        },
    }
    if tcp.get("tcpKeepalive"):
        out["upstreamConnectionOptions"] = {"tcpKeepalive": _keepalive(tcp["tcpKeepalive"])}
    options = _http_options(tcp, http, http2=http2, sniffed=sniffed)
    if options:
        options["@type"] = f"type.googleapis.com/{_HTTP_OPTIONS}"
        out["typedExtensionProtocolOptions"] = {_HTTP_OPTIONS: options}
    return out


def speaks_only_http2(cluster: Mapping[str, Any]) -> bool:
    """Whether a cluster's HTTP options, from its port or from a DestinationRule, settle on HTTP/2."""
    options = cluster.get("typedExtensionProtocolOptions", {}).get(_HTTP_OPTIONS, {})
    return "http2ProtocolOptions" in options.get("explicitHttpConfig", {})


def _keepalive(keepalive: Mapping[str, Any]) -> Json:
    out: Json = {}
    if keepalive.get("probes"):
        out["keepaliveProbes"] = keepalive["probes"]
    for field, name in (("time", "keepaliveTime"), ("interval", "keepaliveInterval")):
        if field in keepalive:
            out[name] = whole_seconds(keepalive[field])
    return out


def _http_options(tcp: Mapping[str, Any], http: Mapping[str, Any], *, http2: bool, sniffed: bool) -> Json:
    out: Json = {}
    upgrade = http.get("h2UpgradePolicy")
    if http.get("useClientProtocol"):
        out["useDownstreamProtocolConfig"] = {"httpProtocolOptions": {}, "http2ProtocolOptions": {}}
    elif http2 or upgrade == "UPGRADE":
        streams = http.get("maxConcurrentStreams")
        http2_options = {"maxConcurrentStreams": streams} if streams else {}
        out["explicitHttpConfig"] = {"http2ProtocolOptions": http2_options}
    elif sniffed:
        out["useDownstreamProtocolConfig"] = {"httpProtocolOptions": {}, "http2ProtocolOptions": {}}
    common = _common_options(tcp, http)
    if common or http.get("maxConcurrentStreams"):
        out["commonHttpProtocolOptions"] = common
        # connection lifetimes alone do not choose a protocol; Envoy wants one to be chosen
        if "explicitHttpConfig" not in out and "useDownstreamProtocolConfig" not in out:
            out["explicitHttpConfig"] = {"httpProtocolOptions": {}}
    return out


def _common_options(tcp: Mapping[str, Any], http: Mapping[str, Any]) -> Json:
    out: Json = {}
    idle = http.get("idleTimeout") or tcp.get("idleTimeout")
    if idle:
        out["idleTimeout"] = duration(idle)
    if http.get("maxRequestsPerConnection"):
        out["maxRequestsPerConnection"] = http["maxRequestsPerConnection"]
    if tcp.get("maxConnectionDuration"):
        out["maxConnectionDuration"] = duration(tcp["maxConnectionDuration"])
    return out
