"""Traces: which requests a proxy makes spans of, and where it sends them.

istiod: pilot/pkg/networking/core/tracing.go. Without a provider Istio's proxies make no spans; here they send
them to localmesh, over the connection that they have to it, unless the settings say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.catalog import Destinations
from localmesh.catalog.mesh_config import ExtensionProvider
from localmesh.catalog.peers import Peer
from localmesh.translate.formats import outbound_cluster

Json = dict[str, Any]

CONTROL_PLANE_CLUSTER = "xds-grpc"
"""The cluster of localmesh itself, which is part of every proxy's bootstrap."""

_OPEN_TELEMETRY = "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"
_TRACE_PARENT = "traceparent"
_B3 = "x-b3-traceid"
_MESH = "cluster.local"


def to_localmesh(service: str) -> Json:
    """The tracer that sends spans to localmesh; `service` is the name of what makes them."""
    typed = {
        "@type": _OPEN_TELEMETRY,
        "serviceName": service,
        "grpcService": {"envoyGrpc": {"clusterName": CONTROL_PLANE_CLUSTER}, "timeout": "2s"},
    }
    return {"name": "envoy.tracers.opentelemetry", "typedConfig": typed}


def to_provider(provider: ExtensionProvider, service: str, destinations: Destinations | None) -> Json | None:
    """The tracer that sends spans to an extension provider.

    None if its Service is not part of the mesh, or it is of a kind that Envoy has no tracer for: then spans
    go to localmesh. `service` is the name of what makes them.
    """
    host = _service(provider.settings.get("service", ""), destinations)
    if host is None:
        return None
    cluster = outbound_cluster(host, int(provider.settings.get("port", 0)))
    if provider.kind == "zipkin":
        return _zipkin(provider.settings, host, cluster)
    if provider.kind == "opentelemetry":
        return _open_telemetry(provider.settings, service, host, cluster)
    return None


def _service(written: str, destinations: Destinations | None) -> str | None:
    """The Service that a provider names, as `host` or `namespace/host`."""
    host = written.rpartition("/")[2]
    found = destinations.service(host) if destinations is not None else None
    return found.host if found is not None else None


def _zipkin(settings: Mapping[str, Any], host: str, cluster: str) -> Json:
    path = settings.get("path") or "/api/v2/spans"
    uri = {"uri": f"http://{host}{path}", "cluster": cluster, "timeout": settings.get("timeout", "5s")}
    option = settings.get("traceContextOption")
    typed = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
        "collectorEndpointVersion": "HTTP_JSON",
        "traceId128bit": not settings.get("enable64bitTraceId", False),
        "sharedSpanContext": False,
        "collectorService": {"httpUri": uri, **_headers("requestHeadersToAdd", settings.get("headers"))},
        **({"traceContextOption": option} if option and option != "USE_B3" else {}),
    }
    return {"name": "envoy.tracers.zipkin", "typedConfig": typed}


def _open_telemetry(settings: Mapping[str, Any], service: str, host: str, cluster: str) -> Json:
    typed: Json = {"@type": _OPEN_TELEMETRY, "serviceName": service}
    if http := settings.get("http"):
        path = http.get("path", "").lstrip("/")
        uri = {"uri": f"{host}/{path}", "cluster": cluster}
        uri |= {"timeout": http["timeout"]} if "timeout" in http else {}
        headers = _headers("requestHeadersToAdd", http.get("headers"))
        typed["httpService"] = {"httpUri": uri, **headers}
    else:
        grpc = settings.get("grpc") or {}
        timeout = {"timeout": grpc["timeout"]} if "timeout" in grpc else {}
        typed["grpcService"] = {"envoyGrpc": {"clusterName": cluster, "authority": host}, **timeout}
    return {"name": "envoy.tracers.opentelemetry", "typedConfig": typed}


def _headers(name: str, headers: list[Mapping[str, Any]] | None) -> Json:
    added = [
        {
            "header": {"key": header["name"], "value": header.get("value", "")},
            "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
        for header in headers or ()
    ]
    return {name: added} if added else {}


def tracing(provider: Json, percent: float, tags: list[Json], *, spans_of_tries: bool) -> Json:
    """The tracing of an HTTP connection manager.

    `percent` of the requests that enter the mesh are sampled, with the trace context of the caller if
    there is one; the proxies that follow do the same as the first.
    `spans_of_tries`: each try is a span as well, as at Istio's gateways.
    """
    return {
        "clientSampling": {"value": 100},
        "randomSampling": {"value": percent},
        "overallSampling": {"value": 100},
        **({"customTags": tags} if tags else {}),
        "provider": provider,
        **({"spawnUpstreamSpan": True} if spans_of_tries else {}),
    }


def istio_tags(peer: Peer) -> list[Json]:
    """What Istio says of the proxy in each of its spans (`buildServiceTags`)."""
    named = {
        "istio.canonical_revision": peer.canonical_revision,
        "istio.canonical_service": peer.canonical_service,
        "istio.cluster_id": peer.cluster,
        "istio.mesh_id": _MESH,
        "istio.namespace": peer.namespace,
    }
    return [{"tag": tag, "literal": {"value": value}} for tag, value in named.items()]


def custom_tag(name: str, tag: Mapping[str, Any]) -> Json:
    """A tag of a Telemetry object: of a fixed value, a header, or an environment variable of the proxy."""
    if "literal" in tag:
        return {"tag": name, "literal": {"value": tag["literal"].get("value", "")}}
    if "header" in tag:
        return {"tag": name, "requestHeader": _with_default(tag["header"])}
    if "environment" in tag:
        return {"tag": name, "environment": _with_default(tag["environment"])}
    return {"tag": name, "value": tag.get("formatter", {}).get("value", "")}


def _with_default(source: Mapping[str, Any]) -> Json:
    default = {"defaultValue": source["defaultValue"]} if source.get("defaultValue") else {}
    return {"name": source["name"], **default}


def b3_continued() -> Json:
    """The mutation that gives a request with a B3 context the W3C context that means the same.

    Envoy's OpenTelemetry tracer reads only W3C. Without a B3 context each part of the value is empty, and
    then the header is not added. A caller that leaves the decision about sampling to others is sampled.
    """
    has_b3 = f'"{_B3}" in request.headers'
    is_short = f'size(request.headers["{_B3}"]) == 16'
    denied = '"x-b3-sampled" in request.headers && request.headers["x-b3-sampled"] in ["0", "false"]'
    value = (
        f'%CEL({has_b3} ? ({is_short} ? "00-{"0" * 16}" : "00-") : "")%%REQ(X-B3-TRACEID)%'
        f'%CEL({has_b3} ? "-" : "")%%REQ(X-B3-SPANID)%'
        f'%CEL({has_b3} ? ({denied} ? "-00" : "-01") : "")%'
    )
    header = {"key": _TRACE_PARENT, "value": value}
    return {"append": {"header": header, "appendAction": "ADD_IF_ABSENT", "keepEmptyValue": False}}


def request_ids(*, decide_about_traces: bool) -> Json:
    """The part of an HTTP connection manager about `x-request-id`, which may say whether to trace."""
    return {
        "requestIdExtension": {
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "useRequestIdForTraceSampling": decide_about_traces,
            }
        }
    }
