"""Prometheus metrics of a service, which metrics_server.py serves on a separate port."""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

UNMATCHED = "unmatched"
"""The route label of requests that match no route: their paths would make an unlimited number of labels."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# In seconds: from an answer from memory to an upstream that hangs until the deadline.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics that all services have; `registry` accepts further ones."""

    def __init__(self, service: str, version: str, pod: str) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        identity = Info("sentimesh_service", "The identity of this workload.", registry=self.registry)
        identity.info({"service": service, "version": version, "pod": pod})
        self._requests = Counter(
            "sentimesh_http_requests",
            "Requests answered, by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "sentimesh_http_request_duration_seconds",
            "Time from the arrival of a request in the service to its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "sentimesh_http_requests_in_flight",
            "Requests in progress.",
            registry=self.registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._duration.labels(method, route).observe(seconds)

    def outcomes(self, name: str, explanation: str, *outcomes: str, **labels: str) -> dict[str, Counter]:
        """Create a counter by `outcome` (and fixed `labels`); returns its children, each starting at 0."""
        counter = Counter(name, explanation, (*labels, "outcome"), registry=self.registry)
        return {outcome: counter.labels(*labels.values(), outcome) for outcome in outcomes}
