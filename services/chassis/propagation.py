"""Propagation: which headers of a request go out again with the calls that it causes, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Propagated:
    """A header that is passed on, and what breaks without it.

    A trace context is passed on unchanged as long as the sidecars make the spans; a service that makes
    spans of its own (tracing.py) writes it anew, with its own span as the parent.
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
        "x-request-id", "ties access logs together; the mesh samples and this application fails by it"
    ),
    Propagated(
        "x-b3-traceid", "B3: the trace; without it every hop is a trace of its own", trace_context=True
    ),
    Propagated("x-b3-spanid", "B3: the caller's span", trace_context=True),
    Propagated("x-b3-parentspanid", "B3: the caller's caller", trace_context=True),
    Propagated(
        "x-b3-sampled", "B3: sampled or not; absent means undecided, and stays absent", trace_context=True
    ),
    Propagated("x-b3-flags", "B3: 1 asks for a trace whatever the sampling says", trace_context=True),
    Propagated("b3", "B3 in a single header", trace_context=True),
    Propagated("traceparent", "W3C: trace, caller's span and flags", trace_context=True),
    Propagated("tracestate", "W3C: what tracing systems add to it", trace_context=True),
    Propagated("baggage", "W3C: the application's own values, for every hop"),
    Propagated("x-ot-span-context", "OpenTracing proxies keep their context in it"),
    Propagated("user-group", "routing by user group holds for every hop, not only at the gateway"),
    Propagated("end-user", "routing and faults for one user hold for every hop"),
)

_WITH_TRACE_CONTEXT = tuple((each.key, each.name) for each in PROPAGATED)
_WITHOUT_TRACE_CONTEXT = tuple((each.key, each.name) for each in PROPAGATED if not each.trace_context)

# What may stand in a header field: no control characters, and nothing that is not one byte.
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")


def forwarded(environ: Mapping[str, object], *, trace_context: bool = True) -> dict[str, str]:
    """The headers that calls made for the request in `environ` carry, unchanged; empty ones count as absent.

    No value is judged: a malformed or half trace context goes out as it came, so that the proxies, who own
    the trace, decide the same about it at every hop. A header sent twice arrives joined by a comma, and
    leaves so.
    """
    outgoing: dict[str, str] = {}
    for key, name in _WITH_TRACE_CONTEXT if trace_context else _WITHOUT_TRACE_CONTEXT:
        value = environ.get(key)
        if isinstance(value, str) and (value := value.strip()) and _FIELD_VALUE.fullmatch(value):
            outgoing[name] = value
    return outgoing


def trace_id(environ: Mapping[str, object]) -> str | None:
    """The trace that the request in `environ` says it belongs to, as it stands there, for the log."""
    parent = environ.get("HTTP_TRACEPARENT")
    if isinstance(parent, str):
        fields = parent.split("-")
        return fields[1] if len(fields) >= 4 else None
    single = environ.get("HTTP_B3")
    if isinstance(single, str) and "-" in single:
        return single.split("-", 1)[0]
    multiple = environ.get("HTTP_X_B3_TRACEID")
    return multiple if isinstance(multiple, str) else None
