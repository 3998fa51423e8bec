"""Tracing: spans of the service, exported to OTEL_EXPORTER_OTLP_ENDPOINT; imported only if that is set.

The trace context is sent in the formats in which it arrived (B3 multi, B3 single, W3C), so that no proxy on
the way finds a format with stale values. If none arrived, it is sent as B3 multi and W3C.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import flask
from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_value, set_value
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from services.chassis.settings import Settings

_ARRIVED = "sentimesh-arrived-trace-context"

_W3C = TraceContextTextMapPropagator()
_B3_MULTI = B3MultiFormat()
_B3_SINGLE = B3SingleFormat()


def instrument(app: flask.Flask, service: str, settings: Settings) -> TracerProvider:
    """Make `app` create and export spans; returns the provider, which creates further ones."""
    resource = {"service.name": service, "service.version": settings.version, "k8s.pod.name": settings.pod}
    provider = TracerProvider(resource=Resource.create(resource))
    provider.sampler = MeshSampler(provider.sampler)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.otlp_endpoint}/v1/traces")))
    propagate.set_global_textmap(MeshPropagator())
    FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
        app, tracer_provider=provider, excluded_urls="/livez$,/readyz$,/about$", enable_commenter=False
    )
    return provider


@contextmanager
def client_span(tracer: trace.Tracer, method: str, url: str) -> Iterator[Mapping[str, str]]:
    """A span around a call to an upstream; yields the headers that carry its context."""
    attributes = {"http.request.method": method, "url.full": url}
    with tracer.start_as_current_span(method, kind=trace.SpanKind.CLIENT, attributes=attributes):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        yield headers


def trace_id(_: Mapping[str, Any]) -> str | None:
    """The trace id of the current request, for the log; None if it has none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


@dataclass(frozen=True, slots=True)
class Arrived:
    """The trace context that a request arrived with: its formats and its sampling decision.

    `b3_sampling` is the decision of the B3 headers (see the function); `sampling` is the same if those
    headers are used, and None otherwise.
    """

    w3c: bool
    multi: bool
    single: bool
    b3_sampling: str
    sampling: str | None


_NOTHING = Arrived(w3c=True, multi=True, single=False, b3_sampling="1", sampling=None)


def b3_sampling(single: str, sampled: str, flags: str) -> str:
    """The sampling decision of B3 headers, `b3` first: "1" accept, "0" deny, "d" debug, "" undecided."""
    if single:
        fields = single.split("-")
        decision = fields[0] if len(fields) == 1 else fields[2] if len(fields) > 2 else ""
    else:
        decision = "d" if flags == "1" else sampled.lower()
    return {"1": "1", "true": "1", "0": "0", "false": "0", "d": "d"}.get(decision, "")


class MeshPropagator(TextMapPropagator):
    """Reads B3 and W3C (which wins if both are valid) and writes both; undecided stays undecided."""

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """The context of a request with these headers."""

        def first(name: str) -> str:
            values = getter.get(carrier, name)
            return values[0] if values else ""

        single = first("b3")
        multi = {name: first(name) for name in ("x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags")}
        w3c = bool(first("traceparent"))
        if not (single or w3c or any(multi.values())):
            return context or Context()
        sampling = b3_sampling(single, multi["x-b3-sampled"], multi["x-b3-flags"])
        from_b3 = _B3_MULTI.extract(carrier, context, getter)
        extracted = _W3C.extract(carrier, from_b3, getter)
        b3_decides = extracted is from_b3 and (single or any(multi.values()))
        arrived = Arrived(w3c, any(multi.values()), bool(single), sampling, sampling if b3_decides else None)
        return set_value(_ARRIVED, arrived, extracted)

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Write the current span into the headers of an outgoing call."""
        arrived = cast("Arrived | None", get_value(_ARRIVED, context)) or _NOTHING
        if arrived.w3c:
            _W3C.inject(carrier, context, setter)
        headers: dict[str, str] = {}
        if arrived.multi:
            _B3_MULTI.inject(headers, context)
        if arrived.single:
            _B3_SINGLE.inject(headers, context)
        for name, value in _as_decided(headers, arrived.b3_sampling).items():
            setter.set(carrier, name, value)

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` writes."""
        return _W3C.fields | _B3_MULTI.fields | _B3_SINGLE.fields | {_B3_MULTI.FLAGS_KEY}


def _as_decided(headers: dict[str, str], sampling: str) -> dict[str, str]:
    """B3 headers with the decisions that a span context cannot express: undecided and debug."""
    if sampling in {"", "d"} and _B3_MULTI.TRACE_ID_KEY in headers:
        del headers[_B3_MULTI.SAMPLED_KEY]
        if sampling == "d":
            headers[_B3_MULTI.FLAGS_KEY] = "1"
    if sampling in {"", "d"} and _B3_SINGLE.SINGLE_HEADER_KEY in headers:
        ids = headers[_B3_SINGLE.SINGLE_HEADER_KEY].rpartition("-")[0]
        headers[_B3_SINGLE.SINGLE_HEADER_KEY] = f"{ids}-d" if sampling else ids
    return headers


class MeshSampler(Sampler):
    """Delegates to `usual`, except for decisions of B3 that `usual` cannot see."""

    def __init__(self, usual: Sampler) -> None:
        self._usual = usual

    def should_sample(  # noqa: PLR0917
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,  # noqa: ARG002 - the signature of Sampler
    ) -> SamplingResult:
        """Whether to record a new span. Undecided is decided here; a decision without ids is respected."""
        parent = trace.get_current_span(parent_context).get_span_context()
        arrived = cast("Arrived | None", get_value(_ARRIVED, parent_context))
        decision = arrived.sampling if arrived and (parent.is_remote or not parent.is_valid) else None
        if decision == "":
            return self._usual.should_sample(Context(), trace_id, name, kind, attributes, links)
        if decision is not None and not parent.is_valid:
            recorded = Decision.DROP if decision == "0" else Decision.RECORD_AND_SAMPLE
            return SamplingResult(recorded, attributes)
        return self._usual.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """The name of this sampler, for span attributes."""
        return f"MeshSampler({self._usual.get_description()})"
