"""Metrics of a service, in Prometheus' names; served on a port of their own (metrics_server.py)."""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

UNMATCHED = "unmatched"
"""The route label of requests that no route of the service takes: their paths would be labels without end."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Seconds; from an answer out of memory to an upstream that hangs until its deadline.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What a service counts; `registry` takes further metrics of its own."""

    def __init__(self, service: str, version: str, pod: str) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        identity = Info("sentimesh_service", "Which workload this is.", registry=self.registry)
        identity.info({"service": service, "version": version, "pod": pod})
        self._requests = Counter(
            "sentimesh_http_requests",
            "Requests answered, by method, route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "sentimesh_http_request_duration_seconds",
            "Time from a request's arrival in the service to its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "sentimesh_http_requests_in_flight",
            "Requests being served at this moment.",
            registry=self.registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._duration.labels(method, route).observe(seconds)

    def outcomes(self, name: str, explanation: str, *outcomes: str, **labels: str) -> dict[str, Counter]:
        """A counter by `outcome` (and fixed `labels`): its child for each outcome, all there from 0 on."""
        counter = Counter(name, explanation, (*labels, "outcome"), registry=self.registry)
        return {outcome: counter.labels(*labels.values(), outcome) for outcome in outcomes}
