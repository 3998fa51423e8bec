"""The spans of the mesh's proxies: received over OTLP, kept in memory, and read as traces.

Payloads are kept as they arrive and decoded when somebody looks, so that receiving them costs next to
nothing. When there are too many, the oldest ones are dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from localmesh.envoy_messages.messages import message_class

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
_LARGEST_BYTES = 8 * 1024**2
_KINDS = {2: "server", 3: "client"}
_LATEST_ARRIVAL = 2 * 10**9
"""How long after its end a span arrives at the latest, in nanoseconds: proxies send theirs twice a second."""
_ERROR = 2  # of opentelemetry.proto.trace.v1.Status


@dataclass(frozen=True, slots=True)
class Span:
    """One span of a proxy: what it did for one request, or for one try of it. Times are in nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str
    """"" where the proxy began the trace."""
    service: str
    """The name of what has made the span, such as `logic.sentimesh`."""
    name: str
    """For a request it is the host and path of the route that decided."""
    kind: str
    """`server` for requests received, `client` for requests sent, "" for others."""
    start: int
    end: int
    is_error: bool
    attributes: dict[str, Any] = field(compare=False)
    """Envoy's, such as `http.status_code` and `response_flags`."""

    @property
    def duration_ms(self) -> float:
        """Its duration in milliseconds."""
        return (self.end - self.start) / 1e6


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one trace that have arrived, by their start."""

    trace_id: str
    spans: tuple[Span, ...]

    @property
    def root(self) -> Span:
        """The span that begins it: the first whose parent is not here."""
        known = {span.span_id for span in self.spans}
        return next((span for span in self.spans if span.parent_id not in known), self.spans[0])

    @property
    def start(self) -> int:
        """When it began, in nanoseconds since 1970."""
        return self.spans[0].start

    @property
    def duration_ms(self) -> float:
        """From its beginning to the end of its last span, in milliseconds."""
        return (max(span.end for span in self.spans) - self.start) / 1e6

    def tree(self) -> list[tuple[int, Span]]:
        """Each span below its parent, with its depth."""
        known = {span.span_id for span in self.spans}
        below: dict[str, list[Span]] = {}
        for span in self.spans:
            below.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
        out: list[tuple[int, Span]] = []
        stack = [(0, span) for span in reversed(below.get("", ()))]
        while stack:
            depth, span = stack.pop()
            out.append((depth, span))
            stack += [(depth + 1, child) for child in reversed(below.pop(span.span_id, ()))]
        # those that are each other's parents have no place
        return [*out, *((0, span) for key, spans in below.items() if key for span in spans)]


class SpanStore:
    """The latest spans; `received` counts all payloads."""

    def __init__(
        self, forward: Callable[[bytes], None] | None = None, largest_bytes: int = _LARGEST_BYTES
    ) -> None:
        self.received = 0
        self._forward = forward
        self._largest_bytes = largest_bytes
        self._payloads: deque[bytes] = deque()
        self._bytes = 0

    def add(self, payload: bytes) -> None:
        """Keeps an encoded `ExportTraceServiceRequest`, and drops the oldest ones if there are too many."""
        self.received += 1
        self._payloads.append(payload)
        self._bytes += len(payload)
        while self._bytes > self._largest_bytes and len(self._payloads) > 1:
            self._bytes -= len(self._payloads.popleft())
        if self._forward is not None:
            self._forward(payload)

    def traces(self, limit: int = 100) -> list[Trace]:
        """The traces of the latest spans, newest first; may be called in a thread."""
        return traces_of(reversed(self._payloads.copy()), limit)

    def trace(self, trace_id: str) -> Trace | None:
        """One trace; None if no span of it is here. May be called in a thread."""
        spans = (span for payload in self._payloads.copy() for span in decoded(payload, trace_id))
        found = _sorted(spans)
        return Trace(trace_id, found) if found else None


def traces_of(payloads: Iterable[bytes], limit: int) -> list[Trace]:
    """The newest traces of encoded payloads, which are in the order of their arrival, the last one first.

    Payloads that are too old to have a span of these traces are not decoded.
    """
    by_trace: dict[str, list[Span]] = {}
    for payload in payloads:
        spans = list(decoded(payload))
        if len(by_trace) > limit and spans:
            starts = sorted(min(span.start for span in of) for of in by_trace.values())
            if max(span.end for span in spans) < starts[-limit] - _LATEST_ARRIVAL:
                break
        for span in spans:
            by_trace.setdefault(span.trace_id, []).append(span)
    found = [Trace(trace_id, _sorted(spans)) for trace_id, spans in by_trace.items()]
    return sorted(found, key=lambda trace: trace.start, reverse=True)[:limit]


def decoded(payload: bytes, trace_id: str = "") -> Iterator[Span]:
    """The spans of an encoded payload, or those of one trace; none of one that is malformed."""
    wanted = bytes.fromhex(trace_id) if trace_id else b""
    if wanted and wanted not in payload:
        return
    try:
        request: Any = message_class(_REQUEST).FromString(payload)
    except DecodeError:
        return
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.instrumentation_library_spans:  # today's name is scope_spans
            for span in of_scope.spans:
                if not wanted or span.trace_id == wanted:
                    yield _span(span, str(resource.get("service.name", "")))


def _span(span: Any, service: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        service=service,
        name=span.name,
        kind=_KINDS.get(span.kind, ""),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        is_error=span.status.code == _ERROR,
        attributes=_attributes(span.attributes),
    )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, which)
        for pair in pairs
        if (which := pair.value.WhichOneof("value")) is not None
    }


def _sorted(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(spans, key=lambda span: (span.start, -span.end)))


def receiver(store: SpanStore) -> grpc.GenericRpcHandler:
    """The service of OpenTelemetry's protocol to which proxies send their spans."""

    async def export(payload: bytes, _context: object) -> bytes:
        store.add(payload)
        return b""

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(export)
    return grpc.method_handlers_generic_handler(_SERVICE, {"Export": handler})
