"""The request being served: what every part of the chassis needs to know of it, gathered once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast

import flask

from services.chassis import hop
from services.chassis.propagation import forwarded

_REQUEST_ID = "x-request-id"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request under way: who it is, what goes out with the calls it causes, and who answered those.

    `headers` are for outgoing calls, `upstream` collects `served-by` elements, `notes` are more fields for
    its line in the log, `started` is a reading of the performance counter in seconds.
    """

    request_id: str
    attempt: int | None
    headers: Mapping[str, str]
    started: float = field(default_factory=perf_counter)
    upstream: list[str] = field(default_factory=list)
    notes: dict[str, object] = field(default_factory=dict)

    def note(self, **fields: object) -> None:
        """Add fields to the line that the log gets about this request."""
        self.notes.update(fields)


def begin(environ: Mapping[str, Any], *, trace_context: bool) -> RequestContext:
    """Begin to serve the request in this WSGI environment; without an `x-request-id` it gets a fresh one."""
    headers = forwarded(environ, trace_context=trace_context)
    request_id = headers.get(_REQUEST_ID)
    if request_id is None:
        request_id = headers[_REQUEST_ID] = str(uuid.uuid4())
    call = RequestContext(request_id, hop.attempt(environ.get("HTTP_X_ENVOY_ATTEMPT_COUNT")), headers)
    flask.g.call = call
    return call


def current() -> RequestContext:
    """The call that this thread is serving; raises outside of one."""
    return cast(RequestContext, flask.g.call)
