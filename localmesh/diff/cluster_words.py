"""The words for destinations: load balancing, limits, ejection, TLS and the pods behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from localmesh.diff.chain_words import certificates, trusted
from localmesh.diff.edits import ABSENT, Path
from localmesh.diff.formats import compact, config, seconds, with_rest
from localmesh.diff.phrases import Label, Words, plain
from localmesh.translate.metrics import unannounced_filters

Json = Mapping[str, Any]

_UNLIMITED = 4294967295
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTP: Path = ("typedExtensionProtocolOptions", _OPTIONS)
_EJECTION = "outlierDetection"
_CONTEXT = ("typedConfig", "commonTlsContext")
_NAMES = ("combinedValidationContext", "defaultValidationContext", "matchSubjectAltNames")


def _warm_up(config: Json) -> str:
    parts = [seconds(config["slowStartWindow"])]
    if "aggression" in config:
        parts.append(f"aggression {config['aggression']['defaultValue']:g}")
    if "minWeightPercent" in config:
        parts.append(f"from {config['minWeightPercent']['value']:g} %")
    return with_rest(", ".join(parts), config, "slowStartWindow", "aggression", "minWeightPercent")


def _number(value: Any) -> str:
    return "unlimited" if value == _UNLIMITED else plain(value)


def _policy(value: str) -> str:
    return value.lower().replace("_", " ")


def _identities(names: Iterable[Json]) -> str:
    return ", ".join(
        name["exact"].removeprefix("spiffe://cluster.local/") if set(name) == {"exact"} else compact(name)
        for name in names
    )


def _value(document: Any) -> str:
    if not isinstance(document, Mapping) or set(document) - {"value"}:
        return compact(document)
    return f"{document.get('value', 0):g} %"


def _socket(socket: Json) -> str:
    if not socket.get("name", "").endswith(".tls"):
        return f"{socket.get('name')}"
    common = socket["typedConfig"].get("commonTlsContext", {})
    own, authority = certificates(common), trusted(common)
    if (own, authority) == ("of the mesh", "the root certificate of the mesh"):
        return "mTLS always"
    certificate = "" if own == "none" else f" with the certificate {own}"
    verified = f"verified with {authority}" if authority else "not verified"
    return f"TLS{certificate}, server {verified}"


def _protocol(config: Json) -> str:
    http2 = config.get("http2ProtocolOptions")
    return "HTTP/1.1" if http2 is None else with_rest("HTTP/2", http2)


def _matches(matches: Iterable[Json]) -> str:
    names = [match.get("name") for match in matches]
    return (
        "mTLS where the pod accepts it" if names == ["tlsMode-istio", "tlsMode-disabled"] else compact(names)
    )


def _filters(filters: list[Json]) -> str:
    return "not sent" if filters == unannounced_filters() else plain(filters)


def endpoints_text(localities: Iterable[Json]) -> str:
    """The pods behind a destination, or the addresses of those that are not pods."""
    counts = Counter(
        _endpoint(endpoint) for locality in localities for endpoint in locality.get("lbEndpoints", ())
    )
    return (
        ", ".join(f"{number} × {name}" if number > 1 else name for name, number in counts.items()) or "none"
    )


def _endpoint(endpoint: Json) -> str:
    metadata = endpoint.get("metadata", {}).get("filterMetadata", {})
    address = endpoint.get("endpoint", {}).get("address", {}).get("socketAddress", {})
    workload = metadata.get("istio", {}).get("workload", "").partition(";")[0]
    is_plain = workload and "envoy.transport_socket_match" not in metadata
    weight = endpoint.get("loadBalancingWeight", 1)
    return (
        f"{workload or address.get('address')}:{address.get('portValue')}"
        f"{' (plain text)' if is_plain else ''}{f' (weight {weight})' if weight != 1 else ''}"
    )


_LIMITS = {
    "maxConnections": "connections",
    "maxPendingRequests": "pending requests",
    "maxRequests": "requests",
    "maxRetries": "retries at once",
}
_EJECTIONS = {
    "consecutive5xx": Label("consecutive 5xx errors", absent="5"),
    "consecutiveGatewayFailure": Label("consecutive gateway errors", absent="5"),
    "consecutiveLocalOriginFailure": Label("consecutive failed connections", absent="5"),
    "splitExternalLocalOriginErrors": Label("failed connections counted apart", absent="no"),
    "interval": Label("checked every", seconds, absent="10 s"),
    "baseEjectionTime": Label("for", seconds, absent="30 s"),
    "maxEjectionPercent": Label("at most", lambda value: f"{value} % of the pods", absent="10 % of the pods"),
}
_SOCKETS: tuple[Path, ...] = (("transportSocket",), ("transportSocketMatches", "[]", "transportSocket"))


def _ejection(settings: Json) -> str:
    parts = [
        f"{label.name} {label.show(settings[name])}" for name, label in _EJECTIONS.items() if name in settings
    ]
    return ", ".join(parts) or "after 5 consecutive 5xx errors"


_LABELS: dict[Path, Label] = {
    ("lbPolicy",): Label("load balancing", _policy),
    ("ringHashLbConfig", "minimumRingSize"): Label("ring size", absent="1024"),
    ("maglevLbConfig", "tableSize"): Label("table size", absent="65537"),
    ("leastRequestLbConfig", "slowStartConfig"): Label("warm-up of new pods", _warm_up),
    ("roundRobinLbConfig", "slowStartConfig"): Label("warm-up of new pods", _warm_up),
    ("connectTimeout",): Label("connect timeout", seconds),
    ("commonLbConfig", "healthyPanicThreshold"): Label("ejected pods used again below", _value),
    ("metadata", "filterMetadata", "istio", "config"): Label("DestinationRule", config),
    ("transportSocket",): Label("TLS", _socket),
    ("transportSocketMatches",): Label("TLS", _matches),
    ("type",): Label("endpoints from", _policy, absent="each request"),
    ("loadAssignment", "endpoints"): Label("endpoints", endpoints_text),
    (*_HTTP, "explicitHttpConfig"): Label("protocol", _protocol, absent="HTTP/1.1"),
    (*_HTTP, "useDownstreamProtocolConfig"): Label("protocol", lambda _value: "that of the request"),
    (*_HTTP, "httpFilters"): Label("metadata of the caller", _filters, absent="sent"),
    (*_HTTP, "upstreamHttpProtocolOptions", "autoSni"): Label(
        "server name (SNI) from the host", absent="false"
    ),
    (*_HTTP, "upstreamHttpProtocolOptions", "autoSanValidation"): Label(
        "certificate must have the host", absent="false"
    ),
    ("upstreamConnectionOptions", "tcpKeepalive"): Label("TCP keep-alive", compact),
    (_EJECTION,): Label("outlier detection", _ejection, by_field=True),
}
_LABELS |= {
    ("circuitBreakers", "thresholds", "[]", name): Label(f"{text} at most", _number, absent="unlimited")
    for name, text in _LIMITS.items()
}
_LABELS |= {
    (_EJECTION, name): Label(f"outlier detection, {label.name}", label.show, label.absent)
    for name, label in _EJECTIONS.items()
}
_LABELS |= {
    (*_HTTP, "commonHttpProtocolOptions", name): Label(text, show)
    for name, text, show in (
        ("idleTimeout", "idle timeout", seconds),
        ("maxRequestsPerConnection", "requests per connection at most", plain),
        ("maxConnectionDuration", "connections last at most", seconds),
    )
}
for _at in _SOCKETS:
    _LABELS |= {
        (*_at, *_CONTEXT, *_NAMES): Label("accepted identities", _identities, absent="any"),
        (*_at, *_CONTEXT, "alpnProtocols"): Label("protocols offered in TLS (ALPN)", ", ".join),
        (*_at, "typedConfig", "sni"): Label("server name (SNI)"),
    }

CLUSTER_WORDS = Words(
    labels=_LABELS,
    implied={
        **{
            (_EJECTION, name): ((_EJECTION,),)
            for name in (
                "enforcingSuccessRate",
                "enforcingConsecutive5xx",
                "enforcingConsecutiveGatewayFailure",
                "enforcingConsecutiveLocalOriginFailure",
                "enforcingLocalOriginSuccessRate",
            )
        },
        ("ringHashLbConfig", "minimumRingSize"): (("lbPolicy",),),
        ("maglevLbConfig", "tableSize"): (("lbPolicy",),),
        (*_HTTP, "@type"): (_HTTP, ("transportSocket",)),
        (*_HTTP, "explicitHttpConfig"): (_HTTP, ("transportSocket",)),
        # its block alone, which connections with limits of their own have
        (*_HTTP, "commonHttpProtocolOptions"): (_HTTP,),
        ("loadAssignment", "clusterName"): (("type",), ("loadAssignment",)),
    },
)
ENDPOINT_WORDS = Words(
    labels={("endpoints",): Label("endpoints", endpoints_text)}, implied={("clusterName",): (("endpoints",),)}
)


def whole_text(verb: str, cluster: Json, endpoints: Any) -> str:
    """What a destination is that was added or removed."""
    assignment = cluster.get("loadAssignment", {}) if endpoints is ABSENT else endpoints
    return f"{verb}, endpoints: {endpoints_text(assignment.get('endpoints', ()))}"
