"""Trace context for a service that makes spans of its own: read from B3 and W3C, written as it came.

It goes out in the formats in which it came in (B3 multi, B3 single, W3C), so that no proxy on the way finds a
format that nobody keeps up to date. Where none came in, it goes out as B3 multi and W3C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from opentelemetry import trace
from opentelemetry.context import Context, get_value, set_value
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

_ARRIVED = "sentimesh-arrived-trace-context"

_W3C = TraceContextTextMapPropagator()
_B3_MULTI = B3MultiFormat()
_B3_SINGLE = B3SingleFormat()


@dataclass(frozen=True, slots=True)
class Arrived:
    """How a request brought its trace context: in which formats, and what it says of sampling.

    `b3_sampling` is what B3 headers say (see the function), `sampling` the same where it is they that count.
    """

    w3c: bool
    multi: bool
    single: bool
    b3_sampling: str
    sampling: str | None


_NOTHING = Arrived(w3c=True, multi=True, single=False, b3_sampling="1", sampling=None)


def b3_sampling(single: str, sampled: str, flags: str) -> str:
    """What B3 headers say of sampling, `b3` before the others: "1" yes, "0" no, "d" debug, "" undecided."""
    if single:
        fields = single.split("-")
        said = fields[0] if len(fields) == 1 else fields[2] if len(fields) > 2 else ""
    else:
        said = "d" if flags == "1" else sampled.lower()
    return {"1": "1", "true": "1", "0": "0", "false": "0", "d": "d"}.get(said, "")


class MeshPropagator(TextMapPropagator):
    """Reads B3 and W3C (which wins where both are sound) and writes both; undecided stays undecided."""

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """The context of a request that carries these headers."""

        def first(name: str) -> str:
            values = getter.get(carrier, name)
            return values[0] if values else ""

        single = first("b3")
        multi = {name: first(name) for name in ("x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags")}
        w3c = bool(first("traceparent"))
        if not (single or w3c or any(multi.values())):
            return context or Context()
        said = b3_sampling(single, multi["x-b3-sampled"], multi["x-b3-flags"])
        from_b3 = _B3_MULTI.extract(carrier, context, getter)
        extracted = _W3C.extract(carrier, from_b3, getter)
        b3_decides = extracted is from_b3 and (single or any(multi.values()))
        arrived = Arrived(w3c, any(multi.values()), bool(single), said, said if b3_decides else None)
        return set_value(_ARRIVED, arrived, extracted)

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Write the current span into the headers of a call."""
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
    """B3 headers with what B3 says of sampling and span contexts cannot: undecided and debug."""
    if sampling in {"", "d"} and _B3_MULTI.TRACE_ID_KEY in headers:
        del headers[_B3_MULTI.SAMPLED_KEY]
        if sampling == "d":
            headers[_B3_MULTI.FLAGS_KEY] = "1"
    if sampling in {"", "d"} and _B3_SINGLE.SINGLE_HEADER_KEY in headers:
        ids = headers[_B3_SINGLE.SINGLE_HEADER_KEY].rpartition("-")[0]
        headers[_B3_SINGLE.SINGLE_HEADER_KEY] = f"{ids}-d" if sampling else ids
    return headers


class MeshSampler(Sampler):
    """Decides as `usual` does, except for what B3 says and `usual` cannot see."""

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
        """Whether a new span is recorded: undecided is decided here, and a decision without ids holds."""
        parent = trace.get_current_span(parent_context).get_span_context()
        arrived = cast("Arrived | None", get_value(_ARRIVED, parent_context))
        said = arrived.sampling if arrived and (parent.is_remote or not parent.is_valid) else None
        if said == "":
            return self._usual.should_sample(Context(), trace_id, name, kind, attributes, links)
        if said is not None and not parent.is_valid:
            decision = Decision.DROP if said == "0" else Decision.RECORD_AND_SAMPLE
            return SamplingResult(decision, attributes)
        return self._usual.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        """What this sampler is, for spans' attributes."""
        return f"MeshSampler({self._usual.get_description()})"
