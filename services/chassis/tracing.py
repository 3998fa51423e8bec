"""Spans of the service's own, where OTEL_EXPORTER_OTLP_ENDPOINT says where they go; imported only then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from services.chassis.settings import Settings
from services.chassis.trace_context import MeshPropagator, MeshSampler


def instrument(app: flask.Flask, service: str, settings: Settings) -> TracerProvider:
    """Make `app` and every `requests` session create spans and send them; who does it, to be shut down."""
    resource = {"service.name": service, "service.version": settings.version, "k8s.pod.name": settings.pod}
    provider = TracerProvider(resource=Resource.create(resource))
    provider.sampler = MeshSampler(provider.sampler)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{settings.otlp_endpoint}/v1/traces")))
    propagate.set_global_textmap(MeshPropagator())
    FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
        app, tracer_provider=provider, excluded_urls="/livez$,/readyz$,/about$", enable_commenter=False
    )
    RequestsInstrumentor().instrument(tracer_provider=provider)
    return provider


def trace_id(_: Mapping[str, Any]) -> str | None:
    """The trace of the request being served, for the log; None where there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None
