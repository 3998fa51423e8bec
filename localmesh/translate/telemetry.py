"""What a proxy reports of requests and connections: metrics, access logs and traces of its listeners."""

from __future__ import annotations

from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Proxy, ProxyKind
from localmesh.catalog.mesh_config import AccessLogEncoding, MeshConfig
from localmesh.catalog.peers import Peer
from localmesh.translate.access_logs import json_labels, json_log, text_log
from localmesh.translate.metrics import (
    Values,
    announced,
    destination_values,
    early_header_mutation,
    http_metrics,
    source_values,
    tcp_metrics,
)
from localmesh.translate.tracing import b3_continued, istio_tags, to_localmesh, tracing

Json = dict[str, Any]


class ProxyTelemetry(NamedTuple):
    """What one proxy reports; `own` describes its workload."""

    own: Peer
    is_gateway: bool
    mesh_config: MeshConfig
    trace_sampling: float
    """Percent."""

    @classmethod
    def of(cls, catalog: Catalog, proxy: Proxy) -> ProxyTelemetry:
        """The telemetry of a proxy."""
        return cls(
            own=Peer.of(proxy.workload, proxy.namespace, proxy.labels),
            is_gateway=proxy.kind is ProxyKind.GATEWAY,
            mesh_config=catalog.mesh_config,
            trace_sampling=catalog.trace_sampling,
        )

    def sent_requests(self, *mutations: Json) -> Json:
        """The part of an HTTP connection manager that sends requests to others.

        `mutations` are further changes of each request before it is routed.
        """
        own = str(self.own)
        return {
            **early_header_mutation(*mutations, announced(own), b3_continued()),
            **self._of_requests(source_values(own)),
        }

    def received_requests(self, cluster: str) -> Json:
        """The part of an HTTP connection manager that receives requests to a Service's port."""
        return self._of_requests(destination_values(str(self.own), cluster))

    def sent_connections(self) -> Json:
        """The settings of a TCP proxy that forwards connections to others."""
        return self._of_connections(source_values(str(self.own)))

    def received_connections(self, cluster: str) -> Json:
        """The settings of a TCP proxy that receives connections to a Service's port."""
        return self._of_connections(destination_values(str(self.own), cluster))

    def _of_requests(self, values: Values) -> Json:
        return {"accessLog": [*http_metrics(values), *self._logs()], **self._tracing()}

    def _of_connections(self, values: Values) -> Json:
        logs = [*tcp_metrics(values), *map(_at_end, self._logs())]
        return {"accessLog": logs, "accessLogOptions": {"flushAccessLogOnConnected": True}}

    def _logs(self) -> list[Json]:
        """One log, in the format of MeshConfig; without any, Istio's own format."""
        settings = self.mesh_config
        if settings.access_log_encoding is AccessLogEncoding.JSON:
            return [json_log(json_labels(settings.access_log_format))]
        return [text_log(settings.access_log_format)]

    def _tracing(self) -> Json:
        provider = to_localmesh(f"{self.own.canonical_service}.{self.own.namespace}")
        tags = istio_tags(self.own)
        return {"tracing": tracing(provider, self.trace_sampling, tags, spans_of_tries=self.is_gateway)}


def _at_end(log: Json) -> Json:
    """A log with one line for a connection, whose metrics count its beginning as well."""
    return {"filter": {"logTypeFilter": {"types": ["TcpConnectionEnd"]}}, **log}
