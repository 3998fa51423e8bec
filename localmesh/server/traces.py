"""The traces of the mesh in plain data, as `GET /mesh/traces` answers them."""

from __future__ import annotations

import re
from typing import Any

from localmesh.telemetry.spans import Span, Trace

Json = dict[str, Any]

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
LARGEST_LIMIT = 1000


def is_trace_id(text: str) -> bool:
    """Whether a text is the id of a trace: 32 hexadecimal digits."""
    return _TRACE_ID.fullmatch(text) is not None


def summary(trace: Trace) -> Json:
    """One trace in a list."""
    root = trace.root
    return {
        "traceId": trace.trace_id,
        "name": root.name,
        "service": root.service,
        "status": root.attributes.get("http.status_code", ""),
        "start": trace.start / 1e9,
        "durationMs": round(trace.duration_ms, 3),
        "spans": len(trace.spans),
        "errors": sum(span.is_error for span in trace.spans),
        "services": sorted({span.service for span in trace.spans}),
    }


def details(trace: Trace) -> Json:
    """One trace with its spans: each below its parent, `depth` says how far."""
    spans = [_span(span, depth, trace.start) for depth, span in trace.tree()]
    return {**summary(trace), "tree": spans}


def _span(span: Span, depth: int, begin: int) -> Json:
    return {
        "spanId": span.span_id,
        "parentId": span.parent_id,
        "depth": depth,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "startMs": round((span.start - begin) / 1e6, 3),
        "durationMs": round(span.duration_ms, 3),
        "error": span.is_error,
        "attributes": span.attributes,
    }
