"""Trace context of a service that creates spans: any input results in one valid trace."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from services.chassis.tracing import MeshPropagator, MeshSampler, b3_sampling

TRACE, OTHER = "0af7651916cd43dd8448eb211c80319c", "b" * 32
SPAN = "b7ad6b7169203331"
MULTI = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN}
W3C = {"traceparent": f"00-{OTHER}-{SPAN}-01"}
B3_HEADERS = {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}


def through(headers: dict[str, str], root=ALWAYS_ON) -> tuple[dict[str, str], bool]:
    """The headers of a call for a request with these headers, and whether spans are recorded."""
    provider = TracerProvider(sampler=ParentBased(root), shutdown_on_exit=False)
    provider.sampler = MeshSampler(provider.sampler)
    tracer = provider.get_tracer("test")
    propagator = MeshPropagator()
    token = otel_context.attach(propagator.extract(headers, otel_context.Context()))
    outgoing: dict[str, str] = {}
    with tracer.start_as_current_span("server", kind=trace.SpanKind.SERVER) as server:
        with tracer.start_as_current_span("client", kind=trace.SpanKind.CLIENT):
            propagator.inject(outgoing)
        recorded = server.is_recording()
    otel_context.detach(token)
    return outgoing, recorded


@pytest.mark.parametrize(
    ("single", "sampled", "flags", "decision"),
    [
        ("", "1", "", "1"),
        ("", "true", "", "1"),
        ("", "0", "", "0"),
        ("", "False", "", "0"),
        ("", "", "", ""),
        ("", "nonsense", "", ""),
        ("", "0", "1", "d"),
        ("0", "1", "", "0"),
        (f"{TRACE}-{SPAN}", "1", "", ""),
        (f"{TRACE}-{SPAN}-1", "", "", "1"),
        (f"{TRACE}-{SPAN}-d-{SPAN}", "", "", "d"),
    ],
)
def test_b3_accepts_denies_debugs_or_defers(single, sampled, flags, decision):
    """The single header takes precedence over the others, debug over sampled."""
    assert b3_sampling(single, sampled, flags) == decision


def test_a_request_without_context_starts_a_trace_in_both_formats():
    """For any format that the next proxy reads."""
    outgoing, recorded = through({})

    assert set(outgoing) == {"traceparent", *B3_HEADERS}
    assert outgoing["traceparent"].split("-")[1] == outgoing["x-b3-traceid"]
    assert recorded


@pytest.mark.parametrize(
    ("headers", "formats"),
    [
        (MULTI, {"x-b3-traceid", "x-b3-spanid"}),
        ({**MULTI, "x-b3-sampled": "1"}, B3_HEADERS),
        ({"b3": f"{TRACE}-{SPAN}-1"}, {"b3"}),
        (W3C, {"traceparent"}),
        ({**W3C, "tracestate": "vendor=1"}, {"traceparent", "tracestate"}),
        ({**MULTI, "x-b3-sampled": "1", **W3C}, {"traceparent", *B3_HEADERS}),
    ],
)
def test_the_context_is_sent_in_the_formats_in_which_it_arrived(headers, formats):
    """A stale format would break the trace."""
    assert set(through(headers)[0]) == formats


def test_the_trace_id_stays_and_the_span_id_is_new():
    """The next hop is a child of our span, not of the caller's."""
    outgoing, _ = through({**MULTI, "x-b3-sampled": "1"})

    assert outgoing["x-b3-traceid"] == TRACE
    assert outgoing["x-b3-spanid"] != SPAN
    assert outgoing["x-b3-sampled"] == "1"


def test_w3c_takes_precedence_if_both_are_valid_and_both_agree_afterwards():
    """So there is one trace from here on."""
    outgoing, _ = through({**MULTI, **W3C})

    assert outgoing["x-b3-traceid"] == OTHER
    assert outgoing["traceparent"].split("-")[1] == OTHER


def test_b3_is_used_if_w3c_is_invalid():
    """One invalid header does not lose the trace of a valid one."""
    outgoing, _ = through({**MULTI, "x-b3-sampled": "1", "traceparent": "broken"})

    assert outgoing["traceparent"].split("-")[1] == TRACE


@pytest.mark.parametrize("headers", [MULTI, {"b3": f"{TRACE}-{SPAN}"}])
@pytest.mark.parametrize(("root", "recorded"), [(ALWAYS_ON, True), (ALWAYS_OFF, False)])
def test_an_undecided_decision_is_propagated(headers, root, recorded):
    """Our own spans are sampled as in a new trace, and the next hop decides for itself."""
    outgoing, is_recorded = through(headers, root)

    assert is_recorded == recorded
    assert "x-b3-sampled" not in outgoing
    assert outgoing.get("b3", "-").count("-") == 1
    assert TRACE in outgoing.get("b3", outgoing.get("x-b3-traceid"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({**MULTI, "x-b3-sampled": "0"}, "0"), ({"x-b3-sampled": "0"}, "0"), ({"x-b3-sampled": "1"}, "1")],
)
def test_a_decision_without_ids_is_respected(headers, expected):
    """`x-b3-sampled` alone decides on a trace before it starts."""
    outgoing, recorded = through(headers, ALWAYS_OFF if expected == "1" else ALWAYS_ON)

    assert (outgoing["x-b3-sampled"], recorded) == (expected, expected == "1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({**MULTI, "x-b3-flags": "1"}, {"x-b3-flags": "1"}), ({"b3": f"{TRACE}-{SPAN}-d"}, {})],
)
def test_debug_is_recorded_and_propagated(headers, expected):
    """Every hop is visible in a debug trace."""
    outgoing, recorded = through(headers, ALWAYS_OFF)

    assert recorded
    assert "x-b3-sampled" not in outgoing
    assert outgoing.get("b3", "-d").endswith("-d")
    assert expected.items() <= outgoing.items()


ANY_ID = st.from_regex(r"[0-9a-fA-F]{16}|[0-9a-fA-F]{32}", fullmatch=True) | st.text(max_size=40)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-b3-traceid": ANY_ID,
        "x-b3-spanid": ANY_ID,
        "x-b3-parentspanid": ANY_ID,
        "x-b3-sampled": st.sampled_from(["0", "1", "true", "d"]) | st.text(max_size=5),
        "x-b3-flags": st.sampled_from(["0", "1"]) | st.text(max_size=5),
        "b3": st.builds("{}-{}-{}".format, ANY_ID, ANY_ID, st.sampled_from(["0", "1", "d"])) | st.text(),
        "traceparent": st.builds("00-{}-{}-01".format, ANY_ID, ANY_ID) | st.text(),
        "tracestate": st.sampled_from(["a=1", "a=1,b=2"]) | st.text(),
    },
)


@given(HEADERS)
def test_any_input_results_in_one_valid_trace(headers):
    """Every format that is sent is well formed and names the same trace."""
    outgoing, _ = through(headers)

    traces = set()
    if "traceparent" in outgoing:
        traces.add(re.fullmatch("00-([0-9a-f]{32})-[0-9a-f]{16}-0[0-3]", outgoing["traceparent"])[1])
    if "x-b3-traceid" in outgoing:
        assert re.fullmatch("[0-9a-f]{16}", outgoing["x-b3-spanid"])
        assert outgoing.get("x-b3-sampled", "1") in {"0", "1"}
        traces.add(re.fullmatch("[0-9a-f]{32}", outgoing["x-b3-traceid"])[0])
    if "b3" in outgoing:
        traces.add(re.fullmatch("([0-9a-f]{32})-[0-9a-f]{16}(-[01d])?", outgoing["b3"])[1])
    assert len(traces) == 1
