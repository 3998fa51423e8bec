"""The current request: its id, its attempt, its caller, and what goes into its answer and its log line."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast

import flask

from services.chassis import hop
from services.chassis.propagation import forwarded

_REQUEST_ID = "x-request-id"
_CLIENT_CERTIFICATE = "HTTP_X_FORWARDED_CLIENT_CERT"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_URI = "uri="


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request in progress.

    `headers` are sent with calls to upstreams, `upstream` collects their `served-by` elements, `notes` are
    further fields of the log line, `started` is a reading of the performance counter in seconds.
    """

    request_id: str
    attempt: int | None
    headers: Mapping[str, str]
    started: float = field(default_factory=perf_counter)
    upstream: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)

    def note(self, **fields: object) -> None:
        """Add fields to the log line of this request."""
        self.notes.update(fields)


def begin(environ: Mapping[str, Any], *, trace_context: bool) -> RequestContext:
    """Create the context of the request in this WSGI environment, with a new id if it has none."""
    headers = forwarded(environ, trace_context=trace_context)
    request_id = headers.get(_REQUEST_ID)
    if request_id is None:
        request_id = headers[_REQUEST_ID] = str(uuid.uuid4())
    attempt = hop.attempt(environ.get("HTTP_X_ENVOY_ATTEMPT_COUNT"))
    flask.g.request_context = RequestContext(request_id, attempt, headers)
    return current()


def current() -> RequestContext:
    """The context of the request that this thread serves; raises outside of one."""
    return cast(RequestContext, flask.g.request_context)


def current_or_none() -> RequestContext | None:
    """The context of the request that this thread serves, if `begin` was called for it."""
    return cast("RequestContext | None", flask.g.get("request_context"))


def peer_identity(environ: Mapping[str, object]) -> str | None:
    """The SPIFFE URI of the caller's certificate; None without mutual TLS or without a sidecar.

    Envoy's `x-forwarded-client-cert` has one element per proxy on the way; the last one describes the
    connection itself. A sidecar removes the header from plain-text requests, so a caller cannot forge it.
    """
    header = environ.get(_CLIENT_CERTIFICATE)
    if not isinstance(header, str):
        return None
    # The subject of a certificate is quoted and may contain anything, commas included.
    *_, last = _QUOTED.sub("", header).split(",")
    pairs = (pair.strip() for pair in last.split(";"))
    return next((pair[len(_URI) :] for pair in pairs if pair.lower().startswith(_URI)), None) or None
