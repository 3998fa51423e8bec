"""The Flask application that every service starts from, with identity, health, metrics, logs and errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, cast

import flask

from services.chassis import body, health, logs, problem, propagation, request_context
from services.chassis.hop import HEADER, Hop, served_by
from services.chassis.metrics import UNMATCHED, Metrics
from services.chassis.settings import Settings

_EXTENSION = "sentimesh"

log = logging.getLogger("services.request")


def _no_span(_method: str, _url: str) -> AbstractContextManager[Mapping[str, str]]:
    return nullcontext({})


@dataclass(frozen=True, slots=True)
class Chassis:
    """The state of a service's application in addition to its routes.

    `creates_spans` says whether the service creates spans, and so writes the trace context of its calls;
    `client_span` surrounds a call (method, URL) and yields that context; `trace_id` reads the trace id of a
    WSGI environment; `resources` are closed when the worker exits.
    """

    service: str
    settings: Settings
    metrics: Metrics
    creates_spans: bool = False
    client_span: Callable[[str, str], AbstractContextManager[Mapping[str, str]]] = _no_span
    trace_id: Callable[[Mapping[str, Any]], str | None] = propagation.trace_id
    readiness: health.Readiness = field(default_factory=health.Readiness)
    resources: ExitStack = field(default_factory=ExitStack)

    def hop(self, attempt: int | None = None) -> Hop:
        """The element of this workload in `served-by`."""
        return Hop(self.service, self.settings.version, self.settings.pod, attempt)


def create(service: str, settings: Settings, *, faults: Mapping[str, object] | None = None) -> flask.Flask:
    """Create an application with health routes, metrics, `served-by`, problem answers and logs.

    `faults` are the deliberate ones, for `/about`; the name of a service with faults says so.
    """
    name = f"{service} {settings.version}" + (" (deliberately buggy)" if faults else "")
    logs.identify(service=service, version=settings.version, pod=settings.pod, name=name)
    app = flask.Flask(service, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = body.MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # members in the order they are documented in
    chassis = _chassis(app, service, settings)
    app.extensions[_EXTENSION] = chassis
    _frame_requests(app, chassis)
    problem.install(app, service)
    about = {"service": service, "version": settings.version, "pod": settings.pod, "name": name}
    app.register_blueprint(health.routes(chassis.readiness, {**about, "faults": faults or {}}))
    return app


def chassis_of(app: flask.Flask) -> Chassis:
    """The chassis of an application that `create` made."""
    return cast(Chassis, app.extensions[_EXTENSION])


def _chassis(app: flask.Flask, service: str, settings: Settings) -> Chassis:
    metrics = Metrics(service, settings.version, settings.pod)
    if settings.otlp_endpoint is None:
        return Chassis(service, settings, metrics)
    # OpenTelemetry takes memory and half a second to load, so it is imported only when spans are exported.
    from services.chassis import tracing

    provider = tracing.instrument(app, service, settings)
    chassis = Chassis(
        service,
        settings,
        metrics,
        creates_spans=True,
        client_span=partial(tracing.client_span, provider.get_tracer(__name__)),
        trace_id=tracing.trace_id,
    )
    chassis.resources.callback(provider.shutdown)  # exports the remaining spans when the service stops
    return chassis


def _frame_requests(app: flask.Flask, chassis: Chassis) -> None:
    """Add the steps before and after every request of `app`, including those that fail."""

    def begin() -> None:
        request_context.begin(flask.request.environ, trace_context=not chassis.creates_spans)
        chassis.metrics.in_flight.inc()

    def end(response: flask.Response) -> flask.Response:
        context = request_context.current()
        response.headers[HEADER] = served_by(chassis.hop(context.attempt), context.upstream)
        response.headers["x-request-id"] = context.request_id
        rule = flask.request.url_rule
        route = rule.rule if rule else UNMATCHED
        seconds = perf_counter() - context.started
        chassis.metrics.answered(flask.request.method, route, response.status_code, seconds)
        level = logging.DEBUG if route in health.PATHS else logging.INFO
        if log.isEnabledFor(level):
            trace_id = chassis.trace_id(flask.request.environ)
            log.log(
                level, "request", extra={"fields": _log_fields(context, route, response, seconds, trace_id)}
            )
        return response

    def leave(_: BaseException | None) -> None:
        if request_context.current_or_none():
            chassis.metrics.in_flight.dec()

    app.before_request(begin)
    app.after_request(end)
    app.teardown_request(leave)


def _log_fields(
    context: request_context.RequestContext,
    route: str,
    response: flask.Response,
    seconds: float,
    trace_id: str | None,
) -> dict[str, object]:
    """The fields of the log line about a request."""
    fields: dict[str, object] = {
        "method": flask.request.method,
        "route": route,
        "status": response.status_code,
        "duration_ms": round(seconds * 1000, 2),
        "request_id": context.request_id,
        "trace_id": trace_id,
        "caller": request_context.peer_identity(flask.request.environ),
        "served_by": response.headers[HEADER],
    }
    if route == UNMATCHED:
        fields["path"] = flask.request.path
    return {**fields, **context.notes}
