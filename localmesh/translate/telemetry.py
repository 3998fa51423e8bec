"""What a proxy reports of requests and connections: the access loggers of its listeners."""

from __future__ import annotations

from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy
from localmesh.catalog.peers import Peer
from localmesh.translate.metrics import (
    announced,
    destination_values,
    early_header_mutation,
    http_metrics,
    source_values,
    tcp_metrics,
)

Json = dict[str, Any]


class ProxyTelemetry(NamedTuple):
    """What one proxy reports. `own` is the `Peer` that it is."""

    own: str = ""

    @classmethod
    def of(cls, _catalog: Catalog, proxy: Proxy) -> ProxyTelemetry:
        """The telemetry of a proxy."""
        return cls(own=str(Peer.of(proxy.workload, proxy.namespace, proxy.labels)))

    def sent_requests(self, *mutations: Json) -> Json:
        """The part of an HTTP connection manager that sends requests to others.

        `mutations` are further changes of each request before it is routed.
        """
        mutated = early_header_mutation(*mutations, announced(self.own))
        return {**mutated, "accessLog": http_metrics(source_values(self.own))}

    def received_requests(self, cluster: str) -> Json:
        """The part of an HTTP connection manager that receives requests to a Service's port."""
        return {"accessLog": http_metrics(destination_values(self.own, cluster))}

    def sent_connections(self) -> Json:
        """The settings of a TCP proxy that forwards connections to others."""
        return _of_tcp_proxy(tcp_metrics(source_values(self.own)))

    def received_connections(self, cluster: str) -> Json:
        """The settings of a TCP proxy that receives connections to a Service's port."""
        return _of_tcp_proxy(tcp_metrics(destination_values(self.own, cluster)))


def _of_tcp_proxy(access_log: list[Json]) -> Json:
    return {"accessLog": access_log, "accessLogOptions": {"flushAccessLogOnConnected": True}}
