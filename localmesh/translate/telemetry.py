"""What a proxy reports of requests and connections: metrics, access logs and traces of its listeners.

Telemetry objects decide, then the mesh-wide settings. Where neither says anything, a proxy here reports what
Istio's demo profile does, and makes spans of all requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from localmesh.catalog import Catalog, Destinations, Proxy, ProxyKind
from localmesh.catalog.mesh_config import AccessLogEncoding, ExtensionProvider, MeshConfig
from localmesh.catalog.peers import Peer
from localmesh.catalog.telemetry import Telemetry
from localmesh.translate.access_logs import filtered, json_labels, json_log, text_log
from localmesh.translate.metrics import (
    Values,
    announced,
    destination_values,
    early_header_mutation,
    http_metrics,
    source_values,
    tcp_metrics,
)
from localmesh.translate.telemetry_settings import (
    LogSettings,
    Mode,
    TraceSettings,
    log_settings,
    metric_settings,
    trace_settings,
)
from localmesh.translate.tracing import (
    b3_continued,
    custom_tag,
    istio_tags,
    request_ids,
    to_localmesh,
    to_provider,
    tracing,
)

Json = dict[str, Any]


class ProxyTelemetry(NamedTuple):
    """What one proxy reports; `own` describes its workload, `objects` are those that apply to it."""

    own: Peer
    is_gateway: bool
    objects: tuple[Telemetry, ...]
    mesh_config: MeshConfig
    destinations: Destinations | None
    """Where providers may be; None where no object names any."""
    trace_sampling: float
    """Percent."""

    @classmethod
    def of(cls, catalog: Catalog, proxy: Proxy) -> ProxyTelemetry:
        """The telemetry of a proxy."""
        objects = catalog.telemetries_for(proxy)
        is_named = bool(catalog.mesh_config.default_providers.tracing) or any(
            item.tracing for item in objects
        )
        return cls(
            own=Peer.of(proxy.workload, proxy.namespace, proxy.labels),
            is_gateway=proxy.kind is ProxyKind.GATEWAY,
            objects=objects,
            mesh_config=catalog.mesh_config,
            destinations=catalog.destinations if is_named else None,
            trace_sampling=catalog.trace_sampling,
        )

    def sent_requests(self, *mutations: Json) -> Json:
        """The part of an HTTP connection manager that sends requests to others.

        `mutations` are further changes of each request before it is routed.
        """
        own = str(self.own)
        reported = self._of_requests(Mode.CLIENT, source_values(own))
        continued = [b3_continued()] if "tracing" in reported else []
        return {**early_header_mutation(*mutations, announced(own), *continued), **reported}

    def received_requests(self, cluster: str) -> Json:
        """The part of an HTTP connection manager that receives requests to a Service's port."""
        return self._of_requests(Mode.SERVER, destination_values(str(self.own), cluster))

    def sent_connections(self) -> Json:
        """The settings of a TCP proxy that forwards connections to others."""
        return self._of_connections(Mode.CLIENT, source_values(str(self.own)))

    def received_connections(self, cluster: str) -> Json:
        """The settings of a TCP proxy that receives connections to a Service's port."""
        return self._of_connections(Mode.SERVER, destination_values(str(self.own), cluster))

    def _of_requests(self, mode: Mode, values: Values) -> Json:
        settings = metric_settings(self.objects, self.mesh_config, mode)
        metrics = http_metrics(values, settings) if settings is not None else ()
        return {"accessLog": [*metrics, *self._logs(mode)], **self._tracing(mode)}

    def _of_connections(self, mode: Mode, values: Values) -> Json:
        settings = metric_settings(self.objects, self.mesh_config, mode)
        metrics = tcp_metrics(values, settings) if settings is not None else ()
        logs = [*metrics, *map(_at_end, self._logs(mode))]
        return {"accessLog": logs, "accessLogOptions": {"flushAccessLogOnConnected": True}}

    def _logs(self, mode: Mode) -> Iterable[Json]:
        logs = log_settings(self.objects, self.mesh_config, mode)
        if logs is None:
            return [self._mesh_log()]
        return [log for settings in logs if (log := self._log(settings)) is not None]

    def _mesh_log(self) -> Json:
        """The log in the format of the mesh-wide settings; without any, in Istio's own."""
        text = self.mesh_config.access_log_format
        if self.mesh_config.access_log_encoding is AccessLogEncoding.JSON:
            return json_log(json_labels(text))
        return text_log(text)

    def _log(self, settings: LogSettings) -> Json | None:
        """The log of a provider; None for those that are not a file."""
        provider = settings.provider
        if provider.kind != "envoyFileAccessLog":
            return None
        log_format = provider.settings.get("logFormat") or {}
        log = self._mesh_log()
        if "labels" in log_format:
            log = json_log(log_format["labels"])
        elif provider.name != _BUILT_IN or log_format:
            log = text_log(log_format.get("text", ""))
        return filtered(log, settings.expression)

    def _tracing(self, mode: Mode) -> Json:
        settings = trace_settings(self.objects, self.mesh_config, mode)
        if settings is None:
            if not self.mesh_config.enable_tracing:
                return {}
            return self._traced(TraceSettings(), None)
        # Istio makes no spans without a provider; here localmesh is the one that nobody has to name
        if settings.disabled or (settings.is_named and settings.provider is None):
            return {}
        return self._traced(settings, settings.provider)

    def _traced(self, settings: TraceSettings, provider: ExtensionProvider | None) -> Json:
        service = f"{self.own.canonical_service}.{self.own.namespace}"
        tags = istio_tags(self.own) if settings.istio_tags else []
        tags += [custom_tag(name, tag) for name, tag in settings.custom_tags.items()]
        sampling = settings.sampling
        if sampling is None:
            written = (self.mesh_config.proxy_config.get("tracing") or {}).get("sampling")
            sampling = written or self.trace_sampling
        tracer = to_provider(provider, service, self.destinations) if provider else None
        return {
            **({} if settings.uses_request_id else request_ids(decide_about_traces=False)),
            "tracing": tracing(
                tracer or to_localmesh(service),
                sampling,
                sorted(tags, key=lambda tag: str(tag["tag"])),
                spans_of_tries=self.is_gateway,
            ),
        }


_BUILT_IN = "envoy"
"""The provider whose format is that of the mesh-wide settings."""


def _at_end(log: Json) -> Json:
    """A log with one line for a connection, whose metrics count its beginning as well."""
    at_end: Json = {"logTypeFilter": {"types": ["TcpConnectionEnd"]}}
    if "filter" in log:
        at_end = {"andFilter": {"filters": [at_end, log["filter"]]}}
    return {**log, "filter": at_end}
