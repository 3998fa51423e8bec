"""Header propagation: which headers of a request are sent with the calls that it causes, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Propagated:
    """A propagated header, and the reason for it.

    Trace context is propagated unchanged as long as only the sidecars create spans. A service that creates
    spans (tracing.py) writes the trace context itself, with its own span as the parent.
    """

    name: str
    reason: str
    trace_context: bool = False

    @property
    def key(self) -> str:
        """The header's name in a WSGI environment."""
        return "HTTP_" + self.name.upper().replace("-", "_")


PROPAGATED: tuple[Propagated, ...] = (
    Propagated(
        "x-request-id", "correlates access logs; decides on trace sampling and on the deliberate faults"
    ),
    Propagated(
        "x-b3-traceid",
        "B3: the trace id; without it, every hop would be a separate trace",
        trace_context=True,
    ),
    Propagated("x-b3-spanid", "B3: the span of the caller", trace_context=True),
    Propagated("x-b3-parentspanid", "B3: the parent of that span", trace_context=True),
    Propagated(
        "x-b3-sampled", "B3: the sampling decision; if absent, it stays undecided", trace_context=True
    ),
    Propagated("x-b3-flags", "B3: 1 forces a trace (debug)", trace_context=True),
    Propagated("b3", "B3 as a single header", trace_context=True),
    Propagated("traceparent", "W3C: trace id, parent span id and flags", trace_context=True),
    Propagated("tracestate", "W3C: vendor-specific additions", trace_context=True),
    Propagated("baggage", "W3C: values of the application, for every hop"),
    Propagated("x-ot-span-context", "the context of OpenTracing proxies"),
    Propagated("user-group", "so that routing by user group works at every hop, not only at the gateway"),
    Propagated("end-user", "so that routing and faults for one user work at every hop"),
)

_WITH_TRACE_CONTEXT = tuple((header.key, header.name) for header in PROPAGATED)
_WITHOUT_TRACE_CONTEXT = tuple((header.key, header.name) for header in PROPAGATED if not header.trace_context)

# A valid field value: no control characters, and only single bytes.
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")


def forwarded(environ: Mapping[str, object], *, trace_context: bool = True) -> dict[str, str]:
    """The headers to send with calls for the request in `environ`, unchanged; empty ones count as absent.

    Values are not validated: a malformed or incomplete trace context is propagated as received, so that the
    proxies, which own the trace, treat it the same way at every hop. A header that was sent twice arrives
    joined by a comma, and is sent like that.
    """
    outgoing: dict[str, str] = {}
    for key, name in _WITH_TRACE_CONTEXT if trace_context else _WITHOUT_TRACE_CONTEXT:
        value = environ.get(key)
        if isinstance(value, str) and (value := value.strip()) and _FIELD_VALUE.fullmatch(value):
            outgoing[name] = value
    return outgoing


def trace_id(environ: Mapping[str, object]) -> str | None:
    """The trace id in the headers of the request in `environ`, as received, for the log."""
    parent = environ.get("HTTP_TRACEPARENT")
    if isinstance(parent, str):
        fields = parent.split("-")
        return fields[1] if len(fields) >= 4 else None
    single = environ.get("HTTP_B3")
    if isinstance(single, str) and "-" in single:
        return single.split("-", 1)[0]
    multiple = environ.get("HTTP_X_B3_TRACEID")
    return multiple if isinstance(multiple, str) else None
