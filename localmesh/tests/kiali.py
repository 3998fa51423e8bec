"""What Kiali asks a Prometheus to draw the graph of a namespace.

Source: kiali/kiali, graph/telemetry/istio/istio.go, and security_policy.go, response_time.go and
throughput.go of its folder `appender`, for a mesh without ambient namespaces and its last ten minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

OPTIONAL = ["app", "grpc_response_status"]
"""Labels by which Kiali groups, and without which it still draws a series."""

_ENDS = (
    *("source_cluster", "source_workload_namespace", "source_workload"),
    *("source_canonical_service", "source_canonical_revision"),
    *("destination_cluster", "destination_service_namespace", "destination_service_name"),
    *("destination_workload_namespace", "destination_workload"),
    *("destination_canonical_service", "destination_canonical_revision"),
)
_EDGE = (*_ENDS, "destination_service", "response_flags")
_OF_REQUESTS = ("request_protocol", "response_code", "grpc_response_status")
_SECURITY = ("source_principal", "destination_principal", "connection_security_policy")
_REQUESTS = "istio_requests_total"
_DURATIONS = "istio_request_duration_milliseconds_bucket"
_OF_DURATIONS = ("le", *_ENDS, "destination_service", "request_protocol")
_SENT = 'reporter=~"waypoint|source"'
_RECEIVED = 'reporter=~"waypoint|destination"'


@dataclass(frozen=True)
class Query:
    """A sum of rates; those of a histogram's buckets also make a quantile."""

    metric: str
    matchers: str
    labels: tuple[str, ...]

    def __str__(self) -> str:
        rates = f"sum(rate({self.metric}{{{self.matchers}}}[10m])) by ({','.join(self.labels)})"
        return f"histogram_quantile(0.95, {rates})" if "le" in self.labels else rates


def of_received(namespace: str) -> dict[str, Query]:
    """The queries about requests and connections to a namespace, by what they are for."""
    to_workloads = f'{_RECEIVED}, destination_workload_namespace="{namespace}"'
    to_services = f'destination_service_namespace="{namespace}"'
    from_outside = f'source_workload_namespace!="{namespace}", {to_services}'
    return {
        "requests": Query(_REQUESTS, to_workloads, (*_EDGE, *_OF_REQUESTS)),
        "bytes of answers": Query("istio_tcp_sent_bytes_total", to_workloads, ("app", *_EDGE)),
        "bytes of callers": Query("istio_tcp_received_bytes_total", to_workloads, ("app", *_EDGE)),
        "security": Query(_REQUESTS, f"{_RECEIVED}, {from_outside}", (*_ENDS, *_SECURITY)),
        "durations": Query(_DURATIONS, f"{_RECEIVED}, {to_services}", _OF_DURATIONS),
        "durations from outside": Query(_DURATIONS, f'reporter="source", {from_outside}', _OF_DURATIONS),
        "throughput": Query(
            "istio_response_bytes_sum", f"{_RECEIVED}, {from_outside}", (*_ENDS, "destination_service")
        ),
    }


def of_sent(namespace: str) -> dict[str, Query]:
    """The queries about requests that workloads of a namespace send."""
    by_workloads = f'source_workload_namespace="{namespace}"'
    return {
        "requests": Query(_REQUESTS, f"{_SENT}, {by_workloads}", (*_EDGE, *_OF_REQUESTS)),
        "security": Query(_REQUESTS, f"{_RECEIVED}, {by_workloads}", (*_ENDS, *_SECURITY)),
    }
