"""Calls to an upstream: the result, the bytes on the wire, and the connections."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import flask
import pytest

from services.chassis import application
from services.chassis.settings import Settings
from services.chassis.upstream import Upstream
from services.testing import Recorder, free_port

SMALL_WAIT = 0.2


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., flask.Flask]]:
    """`caller(address)` creates a service whose GET /call calls the upstream `logic` at that address."""
    made: list[flask.Flask] = []
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    def make(address: str, *, seconds: float = 5.0, threads: int = 4) -> flask.Flask:
        app = application.create("caller", Settings(version="v1", pod="caller-pod", threads=threads))
        chassis = application.chassis_of(app)
        logic = chassis.resources.enter_context(Upstream("logic", address, seconds=seconds, caller=chassis))
        app.extensions["logic"] = logic

        @app.get("/call")
        def call():
            return {"answer": logic.post("/path", {"a": 1}).data.decode()}

        made.append(app)
        return app

    yield make
    for app in made:
        application.chassis_of(app).resources.close()


def count(app: flask.Flask, outcome: str) -> float | None:
    """The number of calls with this outcome."""
    registry = application.chassis_of(app).metrics.registry
    labels = {"upstream": "logic", "outcome": outcome}
    return registry.get_sample_value("sentimesh_upstream_requests_total", labels)


def test_an_answer_comes_with_the_hops_of_the_upstream(caller, recorder: Recorder):
    """The handler gets the answer; `served-by` names the workloads."""
    recorder.answer(200, b"fine", served_by="logic/v2/logic-pod;attempt=2")
    app = caller(recorder.url)

    answer = app.test_client().get("/call")

    assert answer.json == {"answer": "fine"}
    assert answer.headers["served-by"] == "caller/v1/caller-pod, logic/v2/logic-pod;attempt=2"
    assert recorder.received[0][:2] == ("POST", "/path")
    assert recorder.received[0][3] == b'{"a": 1}'
    assert count(app, "answered") == 1


@pytest.mark.parametrize("status", [500, 503, 429, 404, 403, 302])
def test_a_failing_upstream_is_a_502_with_its_name_and_status(caller, recorder: Recorder, status):
    """Also for client errors and redirects: the original request was valid."""
    recorder.answer(status, b"no", served_by="logic/v2/logic-pod", location="/elsewhere")
    app = caller(recorder.url)

    answer = app.test_client().get("/call")

    assert answer.status_code == 502
    assert answer.content_type == "application/problem+json"
    assert answer.json["upstream"] == {"service": "logic", "status": status}
    assert answer.json["detail"] == f"logic v2 (pod logic-pod) answered {status}."
    assert answer.json["answered_by"] == "logic/v2/logic-pod"
    assert answer.headers["served-by"] == "caller/v1/caller-pod, logic/v2/logic-pod"
    assert len(recorder.received) == 1
    assert count(app, "failed") == 1


def test_a_proxy_that_gives_up_on_the_upstream_is_a_504(caller, recorder: Recorder):
    """A timeout of the sidecar is a 504 without hops: slow, not broken."""
    recorder.answer(504, b"upstream request timeout", server="envoy")

    answer = caller(recorder.url).test_client().get("/call")

    assert (answer.status_code, answer.json["upstream"]) == (504, {"service": "logic", "status": 504})
    assert answer.json["answered_by"] == "sidecar proxy of caller"
    assert answer.json["detail"].startswith(
        "The sidecar proxy of caller answered 504 (upstream request timeout)"
    )
    assert answer.headers["served-by"] == "caller/v1/caller-pod"


def test_an_answer_of_an_unknown_server_is_not_blamed_on_the_upstream(caller, recorder: Recorder):
    """It has no `served-by` and does not come from Envoy."""
    recorder.answer(500, b"oops")

    answer = caller(recorder.url).test_client().get("/call")

    assert answer.json["upstream"] == {"service": "logic", "status": 500}
    assert answer.json["answered_by"] is None
    assert answer.json["detail"] == f"{recorder.url} answered 500 without served-by, so it may not be logic."


def test_an_upstream_that_is_too_slow_is_a_504(caller, recorder: Recorder):
    """The deadline is that of the caller, and the request is sent once."""
    recorder.delay = SMALL_WAIT * 2
    app = caller(recorder.url, seconds=SMALL_WAIT)

    answer = app.test_client().get("/call")

    assert (answer.status_code, answer.json["upstream"]) == (504, {"service": "logic", "status": None})
    assert answer.json["answered_by"] is None
    assert answer.json["detail"] == (
        "logic did not answer within 0.2 seconds, the deadline of caller. It may have received the request."
    )
    assert len(recorder.received) == 1
    assert count(app, "timeout") == 1


def test_an_upstream_that_does_not_listen_is_a_502(caller):
    """The detail says that there was no connection."""
    address = f"http://127.0.0.1:{free_port()}"
    app = caller(address)

    answer = app.test_client().get("/call")

    assert (answer.status_code, answer.json["upstream"]) == (502, {"service": "logic", "status": None})
    assert answer.json["detail"] == f"{address} accepts no connection."
    assert count(app, "unreachable") == 1


def test_calls_go_through_the_proxy_of_the_environment(caller, recorder: Recorder, monkeypatch):
    """The sidecar gets the absolute URL, and routes by it."""
    monkeypatch.setenv("HTTP_PROXY", recorder.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")

    answer = caller("http://logic").test_client().get("/call")

    assert answer.status_code == 200
    assert recorder.received[0][:2] == ("POST", "http://logic/path")
    assert recorder.last_headers()["host"] == "logic"


def test_an_address_in_no_proxy_is_called_directly(caller, recorder: Recorder, monkeypatch):
    """Loopback addresses are not in the mesh."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")

    assert caller(recorder.url).test_client().get("/call").status_code == 200


def test_a_missing_proxy_is_a_502(caller, monkeypatch):
    """The detail names the proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")

    answer = caller("http://logic").test_client().get("/call")

    assert (answer.status_code, answer.json["detail"]) == (
        502,
        "The proxy of caller accepts no connection. logic did not receive the request.",
    )


def test_small_requests_do_not_wait_for_an_acknowledgement(caller, monkeypatch):
    """Nagle's algorithm is disabled for proxies: it would delay each request by 40 ms."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    logic = caller("http://logic").extensions["logic"]

    options = logic._pool.conn_kw["socket_options"]

    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options


def test_a_cookie_of_one_answer_is_not_sent_with_the_next_request(caller, recorder: Recorder):
    """All users share the connections."""
    recorder.answer(200, set_cookie="user=1; Path=/")
    client = caller(recorder.url).test_client()

    client.get("/call")
    client.get("/call")

    assert "cookie" not in recorder.last_headers()


class Scripted:
    """An upstream that closes its connections as the test demands."""

    def __init__(self, *, answers_per_connection: int) -> None:
        self._answers = answers_per_connection
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests = 0
        self.closed = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                self.connections += 1
                for _ in range(self._answers):
                    if not self._request(connection):
                        return
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                if self._answers == 0 and not self._request(connection):
                    return
            self.closed.set()

    def _request(self, connection: socket.socket) -> bool:
        received = b""
        while not received.endswith(b'{"a": 1}'):
            part = connection.recv(65536)
            if not part:
                return False
            received += part
        self.requests += 1
        return True

    def stop(self) -> None:
        """Stop the loop with one more connection."""
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """`scripted(answers_per_connection=1)` starts such an upstream."""
    started: list[Scripted] = []

    def start(**options: int) -> Scripted:
        started.append(Scripted(**options))
        return started[-1]

    yield start
    for upstream in started:
        upstream.stop()


def test_a_connection_is_reused(caller, scripted):
    """Two calls, one connection."""
    upstream = scripted(answers_per_connection=2)
    client = caller(upstream.url).test_client()

    statuses = [client.get("/call").status_code for _ in range(2)]

    assert (statuses, upstream.connections) == ([200, 200], 1)


def test_a_connection_that_was_closed_while_idle_is_replaced(caller, scripted):
    """The closed connection is detected before use: the call succeeds, and is sent once."""
    upstream = scripted(answers_per_connection=1)
    client = caller(upstream.url).test_client()
    client.get("/call")
    assert upstream.closed.wait(5)

    answer = client.get("/call")

    assert answer.status_code == 200
    assert (upstream.connections, upstream.requests) == (2, 2)


def test_a_connection_that_closes_during_a_request_is_a_502_and_not_retried(caller, scripted):
    """The upstream may have processed it, so a retry is the decision of the mesh."""
    upstream = scripted(answers_per_connection=0)

    answer = caller(upstream.url).test_client().get("/call")

    assert (answer.status_code, answer.json["upstream"]) == (502, {"service": "logic", "status": None})
    assert answer.json["detail"] == (
        "The connection closed before a complete answer. logic may have received the request."
    )
    assert upstream.requests == 1


def test_every_thread_keeps_its_connection(caller, recorder: Recorder, monkeypatch):
    """Each thread keeps one connection, and the second round opens none."""
    recorder.delay = SMALL_WAIT
    app = caller(recorder.url, threads=8)
    opened = []
    connect = socket.socket.connect

    def counted(self: socket.socket, to: tuple[str, int]) -> None:
        if to[1] == urlsplit(recorder.url).port:  # not what other threads of this process connect to
            opened.append(to)
        connect(self, to)

    monkeypatch.setattr(socket.socket, "connect", counted)

    def round_of_eight() -> None:
        threads = [threading.Thread(target=lambda: app.test_client().get("/call")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    round_of_eight()
    first = len(opened)
    round_of_eight()

    assert (first, len(opened)) == (8, 8)


def test_waiting_for_an_upstream_does_not_block_other_calls(caller, recorder: Recorder):
    """Calls of different threads wait concurrently."""
    recorder.delay = SMALL_WAIT
    app = caller(recorder.url)
    began = time.monotonic()

    threads = [threading.Thread(target=lambda: app.test_client().get("/call")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert SMALL_WAIT <= time.monotonic() - began < 4 * SMALL_WAIT
