"""The store of spans."""

from __future__ import annotations

from typing import Any

import pytest

from localmesh.envoy_messages.messages import message_class
from localmesh.telemetry import spans
from localmesh.telemetry.spans import SpanStore, Trace

REQUEST = "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest"
ONE, TWO = "1" * 32, "2" * 32


def payload(service: str, *spans: dict[str, Any]) -> bytes:
    """Spans as a proxy sends them; times are in milliseconds."""
    request: Any = message_class(REQUEST)()
    of_resource = request.resource_spans.add()
    name = of_resource.resource.attributes.add(key="service.name")
    name.value.string_value = service
    scope = of_resource.instrumentation_library_spans.add()
    for span in spans:
        added = scope.spans.add(
            trace_id=bytes.fromhex(span["trace"]),
            span_id=bytes.fromhex(f"{span['id']:016x}"),
            parent_span_id=bytes.fromhex(f"{span['parent']:016x}") if "parent" in span else b"",
            name=span.get("name", "a"),
            kind=2,
            start_time_unix_nano=span["start"] * 10**6,
            end_time_unix_nano=span["end"] * 10**6,
        )
        code = added.attributes.add(key="http.status_code")
        code.value.string_value = "200"
    return bytes(request.SerializeToString())


def stored(*payloads: bytes) -> SpanStore:
    """A store with these payloads."""
    store = SpanStore()
    for item in payloads:
        store.add(item)
    return store


def found(trace: Trace | None) -> Trace:
    """A trace that must be there."""
    assert trace is not None
    return trace


def test_spans_of_several_proxies_are_one_trace() -> None:
    """They are below their parents, whichever proxy was the first to send them."""
    store = stored(
        payload("logic", {"trace": ONE, "id": 3, "parent": 2, "start": 30, "end": 40}),
        payload("gate", {"trace": ONE, "id": 1, "start": 10, "end": 50}),
        payload("webapp", {"trace": ONE, "id": 2, "parent": 1, "start": 20, "end": 45}),
    )

    trace = found(store.trace(ONE))

    assert [(depth, span.service) for depth, span in trace.tree()] == [
        (0, "gate"),
        (1, "webapp"),
        (2, "logic"),
    ]
    assert (trace.root.service, trace.duration_ms) == ("gate", 40)


def test_the_newest_trace_is_the_first() -> None:
    """A list is limited to the newest ones."""
    store = stored(
        payload("a", {"trace": ONE, "id": 1, "start": 10, "end": 20}),
        payload("a", {"trace": TWO, "id": 2, "start": 15, "end": 16}),
    )

    assert [trace.trace_id for trace in store.traces()] == [TWO, ONE]
    assert [trace.trace_id for trace in store.traces(limit=1)] == [TWO]


def test_payloads_that_are_too_old_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of the newest costs the same, however many spans are kept."""
    second = 1000
    names = [f"{number:032x}" for number in range(10)]
    store = stored(
        *(
            payload("gate", {"trace": name, "id": 1, "start": 9 * second * age, "end": 9 * second * age + 1})
            for age, name in enumerate(names)
        )
    )
    looked_at = []
    decoded = spans.decoded
    monkeypatch.setattr(spans, "decoded", lambda payload: looked_at.append(payload) or decoded(payload))

    newest = store.traces(limit=2)

    assert [trace.trace_id for trace in newest] == [names[9], names[8]]
    assert len(looked_at) == 4


def test_a_context_of_a_caller_is_continued() -> None:
    """The first span may have a parent that is not here: the caller's own."""
    store = stored(payload("gate", {"trace": ONE, "id": 2, "parent": 99, "start": 1, "end": 2}))

    [(depth, span)] = found(store.trace(ONE)).tree()

    assert (depth, span.parent_id) == (0, f"{99:016x}")


def test_the_oldest_spans_make_room() -> None:
    """The store is bounded by the size of what it keeps."""
    old = payload("a", {"trace": ONE, "id": 1, "start": 1, "end": 2})
    new = payload("a", {"trace": TWO, "id": 1, "start": 3, "end": 4})
    store = SpanStore(largest_bytes=len(old) + len(new) - 1)

    store.add(old)
    store.add(new)

    assert [trace.trace_id for trace in store.traces()] == [TWO]
    assert store.trace(ONE) is None


def test_spans_may_arrive_while_traces_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is read in a thread, and filled by the event loop."""
    store = stored(payload("web", {"trace": ONE, "id": 1, "start": 1, "end": 2}))

    def decoded(item: bytes, trace_id: str = "") -> Any:
        store.add(payload("web", {"trace": TWO, "id": 2, "start": 1, "end": 2}))
        return original(item, trace_id)

    original = spans.decoded
    monkeypatch.setattr(spans, "decoded", decoded)

    assert [trace.trace_id for trace in store.traces()] == [ONE]
    assert store.trace(ONE) is not None


def test_malformed_payloads_are_no_spans() -> None:
    """Whatever a client sends to the port, the others are still found."""
    store = stored(b"\xff\xff\xff", b"", payload("a", {"trace": ONE, "id": 1, "start": 1, "end": 2}))

    assert [trace.trace_id for trace in store.traces()] == [ONE]


def test_spans_that_are_each_others_parents_are_found() -> None:
    """Senders may be wrong; nothing hangs."""
    store = stored(
        payload(
            "a",
            {"trace": ONE, "id": 1, "parent": 2, "start": 1, "end": 2},
            {"trace": ONE, "id": 2, "parent": 1, "start": 1, "end": 2},
        )
    )

    trace = found(store.trace(ONE))

    assert trace.root.span_id == f"{1:016x}"
    assert {span.span_id for _, span in trace.tree()} == {f"{1:016x}", f"{2:016x}"}
