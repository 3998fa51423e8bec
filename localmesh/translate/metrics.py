"""Istio's standard metrics, from the access loggers of an Envoy as released.

Istio's Envoy has a filter for them (istio/proxy: source/extensions/filters/http/istio_stats). Envoy's own
logger for statistics can do the same, but evaluates each label for each statistic. Therefore every statistic
has only one label here, with all values that vary, and `localmesh.telemetry` splits it where statistics are
read: that takes half of the time per request.

The called side learns who calls from a header, as in Istio: the caller's proxy sets it, the called one stores
and removes it, and clusters remove it where no proxy does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from localmesh.translate.telemetry_settings import MetricSettings

Json = dict[str, Any]
MetricsSettings = Mapping[str, MetricSettings]
"""What differs in which metric, by its name without prefix."""
_Statistics = Mapping[str, list[tuple[str, Json]]]

PEER_HEADER = "x-envoy-peer-metadata"
"""The header in which the proxy of a caller says for which workload it calls."""
PREFIX = "istio"
"""What the names of these statistics begin with."""
LABEL = "labels"
"""The one label of each statistic, unless Telemetry objects add others."""
REMOVED = "removed"
"""The label with the names of Istio's labels that a Telemetry object removes."""

_LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config"
# One scope of all listeners: as in Istio, counts stay when a listener goes, or is replaced for a new policy.
_SCOPE = {"prefix": PREFIX, "sharingName": PREFIX}
_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_NAMESPACE = "istio"  # of Envoy's metadata
_STORED_PEER = "peer"
_MESSAGES = "%FILTER_STATE(envoy.filters.http.grpc_stats:FIELD:{}_message_count)%"
_NEVER_CONNECTED = ("UF", "UH", "NC", "NR", "UO")


class Reporter(StrEnum):
    """Which side of a call counts it."""

    SOURCE = "source"
    DESTINATION = "destination"


class Values(NamedTuple):
    """What a statistic's label consists of, in this order, separated by spaces.

    In a configuration the values are formats of Envoy's access logs; "" is unknown. `authority` is the last
    one because callers can choose it.
    """

    reporter: str
    own: str
    """The `Peer` of the proxy that counts."""
    code: str
    grpc_status: str
    flags: str
    own_principal: str
    peer_principal: str
    cluster: str
    """The name of the cluster; of an inbound one it is the Service's outbound name."""
    peer: str
    """The `Peer` at the other end."""
    authority: str

    def __str__(self) -> str:
        return " ".join(self)

    @classmethod
    def parse(cls, text: str) -> Values | None:
        """The values that `str` has written; None if there are too few."""
        parts = text.split(" ", len(cls._fields) - 1)
        return cls(*parts) if len(parts) == len(cls._fields) else None


def source_values(own: str) -> Values:
    """The values of the calling side."""
    return Values(
        reporter=Reporter.SOURCE,
        own=own,
        code="%RESPONSE_CODE%",
        grpc_status="%GRPC_STATUS_NUMBER%",
        flags="%RESPONSE_FLAGS%",
        own_principal="%UPSTREAM_LOCAL_URI_SAN%",
        peer_principal="%UPSTREAM_PEER_URI_SAN%",
        cluster="%UPSTREAM_CLUSTER_RAW%",
        peer=f"%UPSTREAM_METADATA({_NAMESPACE}:workload)%",
        authority="%REQ(:AUTHORITY)%",
    )


def destination_values(own: str, cluster: str) -> Values:
    """The values of the called side: a port of a Service, named by its cluster."""
    return source_values(own)._replace(
        reporter=Reporter.DESTINATION,
        own_principal="%DOWNSTREAM_LOCAL_URI_SAN%",
        peer_principal="%DOWNSTREAM_PEER_URI_SAN%",
        cluster=cluster,
        peer=f"%DYNAMIC_METADATA({_NAMESPACE}:{_STORED_PEER})%",
        authority="",
    )


def of_connections(values: Values) -> Values:
    """The same for connections, which have no headers and no answers."""
    peer = "" if values.reporter == Reporter.DESTINATION else values.peer
    return values._replace(code="", grpc_status="", peer=peer, authority="")


def http_metrics(values: Values, settings: MetricsSettings) -> list[Json]:
    """The access loggers that count requests, and messages of gRPC."""
    requests: _Statistics = {
        "counters": [("requests_total", {"valueFixed": 1})],
        "histograms": [
            ("request_duration_milliseconds", {"valueFormat": "%DURATION%", "unit": "Milliseconds"}),
            ("request_bytes", {"valueFormat": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%", "unit": "Bytes"}),
            ("response_bytes", {"valueFormat": "%DOWNSTREAM_WIRE_BYTES_SENT%", "unit": "Bytes"}),
        ],
    }
    messages: _Statistics = {
        "counters": [
            (f"{kind}_messages_total", {"valueFormat": _MESSAGES.format(kind)})
            for kind in ("request", "response")
        ]
    }
    of_grpc = {
        "headerFilter": {"header": {"name": "content-type", "stringMatch": {"prefix": "application/grpc"}}}
    }
    return _loggers(values, settings, (requests, None), (messages, of_grpc))


def tcp_metrics(values: Values, settings: MetricsSettings) -> list[Json]:
    """The access loggers that count connections; bytes are counted when a connection ends."""
    opened: _Statistics = {"counters": [("tcp_connections_opened_total", {"valueFixed": 1})]}
    closed: _Statistics = {
        "counters": [
            ("tcp_connections_closed_total", {"valueFixed": 1}),
            ("tcp_sent_bytes_total", {"valueFormat": "%BYTES_SENT%"}),
            ("tcp_received_bytes_total", {"valueFormat": "%BYTES_RECEIVED%"}),
        ]
    }
    failed = {"andFilter": {"filters": [_at("TcpConnectionEnd"), _flags(*_NEVER_CONNECTED)]}}
    return _loggers(
        of_connections(values),
        settings,
        (opened, _at("TcpUpstreamConnected")),
        # as in Istio, a connection that led nowhere was opened as well
        (opened, failed),
        (closed, _at("TcpConnectionEnd")),
    )


PEER_TO_STORE: Json = {
    "requestRules": [
        {
            "header": PEER_HEADER,
            "onHeaderPresent": {"metadataNamespace": _NAMESPACE, "key": _STORED_PEER, "type": "STRING"},
            "remove": True,
        }
    ]
}
"""The settings of the filter that stores and removes the header."""


def announced(own: str) -> Json:
    """The mutation of a request that says who calls."""
    return {
        "append": {
            "header": {"key": PEER_HEADER, "value": own},
            "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }


def early_header_mutation(*mutations: Json) -> Json:
    """The part of an HTTP connection manager that changes requests before they are routed."""
    typed = {
        "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3"
        ".HeaderMutation",
        "mutations": list(mutations),
    }
    extension = {"name": "envoy.http.early_header_mutation.header_mutation", "typedConfig": typed}
    return {"earlyHeaderMutationExtensions": [extension]}


def unannounced_filters() -> list[Json]:
    """The HTTP filters of a cluster whose endpoints would pass the header on to applications."""
    removed = {"mutations": {"requestMutations": [{"remove": PEER_HEADER}]}}
    return [
        {
            "name": "envoy.filters.http.header_mutation",
            "typedConfig": {"@type": f"{_FILTERS}.header_mutation.v3.HeaderMutation", **removed},
        },
        {
            "name": "envoy.filters.http.upstream_codec",
            "typedConfig": {"@type": f"{_FILTERS}.upstream_codec.v3.UpstreamCodec"},
        },
    ]


def _loggers(
    values: Values, settings: MetricsSettings, *groups: tuple[_Statistics, Json | None]
) -> list[Json]:
    """A logger for each group of statistics that are counted at the same time, without disabled ones."""
    loggers = []
    for statistics, log_filter in groups:
        kept = {
            kind: [
                {"stat": {"name": name, "tags": _tags(values, settings.get(name))}, **value}
                for name, value in of_kind
                if name not in settings or not settings[name].disabled
            ]
            for kind, of_kind in statistics.items()
        }
        if any(kept.values()):
            typed = {"@type": _LOGGER, "statsScope": _SCOPE, **kept}
            filtered = {"filter": log_filter} if log_filter else {}
            loggers.append({"name": "envoy.access_loggers.stats", **filtered, "typedConfig": typed})
    return loggers


def _tags(values: Values, settings: MetricSettings | None) -> list[Json]:
    """The label of all statistics, and those that Telemetry objects add or remove."""
    tags = [{"name": LABEL, "valueFormat": str(values)}]
    changed = settings.tags if settings is not None else {}
    removed = sorted(name for name, expression in changed.items() if expression is None)
    if removed:
        tags.append({"name": REMOVED, "valueFormat": " ".join(removed)})
    return tags + [
        {"name": name, "valueFormat": f"%CEL({expression})%"}
        for name, expression in sorted(changed.items())
        if expression is not None
    ]


def _at(moment: str) -> Json:
    return {"logTypeFilter": {"types": [moment]}}


def _flags(*flags: str) -> Json:
    return {"responseFlagFilter": {"flags": list(flags)}}
