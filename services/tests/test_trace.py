"""One trace across running services: propagated, or with their own spans."""

from __future__ import annotations

import http.client
import json
import re

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.testing import Recorder, Workload

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SENTENCE = {"sentence": "What a fine day."}
REQUEST = {"x-request-id": "request-1", "x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "user-group": "internal"}


def trace_in_log(workload: Workload) -> str:
    """The trace id in the log line of the last request."""
    return next(line["trace_id"] for line in reversed(workload.log()) if line["message"] == "request")


def test_a_trace_context_is_propagated_unchanged(launch, recorder: Recorder):
    """It arrives unchanged after two hops, and the log of each service contains the trace id."""
    recorder.answer(200, served_by="logic/v1/logic-pod")
    webapp = launch("webapp", LOGIC_URL=recorder.url)

    answer = webapp.post("/sentiment", json=SENTENCE, headers=REQUEST)

    assert answer.headers["served-by"] == "webapp/v1/webapp-pod, logic/v1/logic-pod"
    assert REQUEST.items() <= recorder.last_headers().items()
    assert not {"x-b3-sampled", "traceparent", "b3"} & set(recorder.last_headers())
    assert trace_in_log(webapp) == TRACE


def test_repeated_and_unusual_headers_are_propagated(launch, recorder: Recorder):
    """Joined by a comma, with unusual bytes unchanged, and with the maximum baggage of W3C."""
    webapp = launch("webapp", LOGIC_URL=recorder.url)
    odd = {"x-ot-span-context": "\xe9\xff odd", "traceparent": "??", "baggage": "a=" + "x" * 8190}
    body = json.dumps(SENTENCE)

    connection = http.client.HTTPConnection("127.0.0.1", webapp.port, timeout=15)
    connection.putrequest("POST", "/sentiment")
    for name, value in [*odd.items(), ("user-group", "x"), ("user-group", "y")]:
        connection.putheader(name, value)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode())
    status = connection.getresponse().status
    connection.close()

    assert status == 200
    assert {**odd, "user-group": "x,y"}.items() <= recorder.last_headers().items()


def spans(collector: Recorder):
    """The received spans, each with its service."""
    spans = []
    for _, path, _, body in collector.received:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {
                attribute.key: attribute.value.string_value for attribute in resource.resource.attributes
            }
            for scope in resource.scope_spans:
                spans.extend((names["service.name"], span) for span in scope.spans)
    return spans


@pytest.mark.parametrize("headers", [{}, REQUEST, {"traceparent": f"00-{TRACE}-{SPAN}-01"}])
def test_with_a_collector_both_services_add_their_spans_to_one_trace(launch, recorder: Recorder, headers):
    """Server, client and server span are nested; the rest is exported when the services stop."""
    recorder.answer(200, b"")
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": recorder.url, "OTEL_BSP_SCHEDULE_DELAY": 100}
    logic = launch("logic", **collector)
    webapp = launch("webapp", LOGIC_URL=f"http://127.0.0.1:{logic.port}", **collector)

    answer = webapp.post("/sentiment", json=SENTENCE, headers=headers)
    traces = {trace_in_log(webapp), trace_in_log(logic)}
    assert (webapp.stop(), logic.stop()) == (0, 0)

    assert answer.status_code == 200
    by_parent = {span.parent_span_id: (service, span) for service, span in spans(recorder)}
    outer = by_parent[bytes.fromhex(SPAN) if headers else b""]
    client = by_parent[outer[1].span_id]
    inner = by_parent[client[1].span_id]
    assert [service for service, _ in (outer, client, inner)] == ["webapp", "webapp", "logic"]
    assert [span.name for _, span in (outer, client, inner)] == [
        "POST /sentiment",
        "POST",
        "POST /analyse/sentiment",
    ]
    assert traces == {span.trace_id.hex() for _, span in spans(recorder)}
    assert not headers or traces == {TRACE}
    assert len(by_parent) == 3


def test_probes_create_no_spans(launch, recorder: Recorder):
    """They would hide the other spans."""
    recorder.answer(200, b"")
    logic = launch("logic", OTEL_EXPORTER_OTLP_ENDPOINT=recorder.url)

    for path in ("/livez", "/readyz", "/about"):
        logic.get(path)
    logic.post("/analyse/sentiment", json=SENTENCE)
    logic.stop()

    assert [span.name for _, span in spans(recorder)] == ["POST /analyse/sentiment"]


def test_with_a_collector_other_headers_are_still_propagated(launch, recorder: Recorder):
    """Request id, baggage and routing headers unchanged, the trace context with our span."""
    webapp = launch("webapp", LOGIC_URL=recorder.url, OTEL_EXPORTER_OTLP_ENDPOINT=recorder.url)

    webapp.post("/sentiment", json=SENTENCE, headers={**REQUEST, "baggage": "a=1", "x-b3-parentspanid": SPAN})
    webapp.stop()

    sent = next(headers for _, path, headers, _ in recorder.received if path == "/analyse/sentiment")
    assert (sent["x-request-id"], sent["user-group"], sent["baggage"]) == ("request-1", "internal", "a=1")
    assert sent["x-b3-traceid"] == TRACE
    assert re.fullmatch("[0-9a-f]{16}", sent["x-b3-spanid"])
    assert sent["x-b3-spanid"] != SPAN
    assert not {"x-b3-sampled", "x-b3-parentspanid", "traceparent"} & set(sent)


def test_an_unavailable_collector_does_not_affect_requests(launch):
    """Only spans are lost."""
    logic = launch("logic", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT=1)

    assert logic.post("/analyse/sentiment", json=SENTENCE).status_code == 200
    assert logic.stop() == 0
