"""The stub, as a process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import aiohttp
import pytest

from localmesh import stub
from localmesh.runtime.workloads import FreePorts

pytestmark = pytest.mark.xdist_group("stub")

IDENTITY = {"workload": "web-v1", "version": "v1", "pod": "web-v1-abc", "namespace": "demo", "service": "web"}
SCRIPT = Path(stub.__file__).with_name("server.py")


@contextlib.contextmanager
def running_stub(
    ports: dict[int, int], output: IO[bytes] | None = None, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    identity = json.dumps({**IDENTITY, "ports": ports})
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SCRIPT), identity], stdout=output, env=environment
    )
    try:
        for port in ports.values():
            _wait_for(port)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.005)
        else:
            return


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[int, int]]:
    """The ports of a stub that runs for all tests: declared → real."""
    free = FreePorts()
    ports = {8080: free.take(), 9102: free.take()}
    with running_stub(ports):
        yield ports


@pytest.fixture
def get(ports: dict[int, int]) -> Callable[..., tuple[http.client.HTTPResponse, Any]]:
    """Asks the stub: the response and its JSON."""

    def ask(path: str, *, port: int = 8080, method: str = "GET", **request: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", ports[port], timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, **request)
            response = connection.getresponse()
            text = response.read()
        return response, json.loads(text) if text else None

    return ask


Get = Callable[..., tuple[http.client.HTTPResponse, Any]]


class TestAnswers:
    def test_it_says_who_it_is_and_what_it_was_asked(self, get: Get) -> None:
        """Identity, declared port, method, path and headers are in the answer."""
        response, content = get("/a?b=c", port=9102, method="POST", body=b"x", headers={"End-User": "jason"})

        assert response.status == 200
        assert {key: content[key] for key in IDENTITY} == IDENTITY
        assert (content["port"], content["method"], content["path"]) == (9102, "POST", "/a?b=c")
        assert content["headers"]["end-user"] == "jason"

    def test_it_names_itself_as_the_services_do(self, get: Get) -> None:
        """served-by is service, version and pod, with the attempt where a proxy counts them."""
        first, _ = get("/")
        second, _ = get("/", headers={"x-envoy-attempt-count": "2"})

        assert first.getheader("served-by") == "web/v1/web-v1-abc"
        assert second.getheader("served-by") == "web/v1/web-v1-abc;attempt=2"

    @pytest.mark.parametrize("path", ["/status/503", "/reviews/status/503?x=1", "/delay/0/status/503"])
    def test_the_path_can_choose_the_status(self, get: Get, path: str) -> None:
        """Anywhere in the path, so that a route's prefix may come first."""
        assert get(path)[0].status == 503

    def test_the_path_can_choose_a_delay(self, get: Get) -> None:
        """The answer waits that many seconds."""
        begin = time.monotonic()

        response, _ = get("/delay/0.2")

        assert response.status == 200
        assert time.monotonic() - begin >= 0.2

    @pytest.mark.parametrize(
        ("path", "method"), [("/status/204", "GET"), ("/status/304", "GET"), ("/", "HEAD")]
    )
    def test_answers_without_body_keep_the_connection_usable(
        self, ports: dict[int, int], path: str, method: str
    ) -> None:
        """No stray byte follows an answer that has no body."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", ports[8080], timeout=5)
        ) as connection:
            connection.request(method, path)
            assert connection.getresponse().read() == b""
            connection.request("GET", "/status/418")

            assert connection.getresponse().status == 418


class TestProtocol:
    def converse(self, port: int, data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer

    def test_one_connection_carries_many_requests(self, ports: dict[int, int]) -> None:
        """Pipelined requests, chunked bodies with trailers among them, are answered in turn."""
        chunked = (
            b"POST /status/201 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3;x=y\r\nabc\r\n0\r\ntrailer: t\r\n\r\n"
        )

        answer = self.converse(ports[8080], chunked + b"GET /status/202 HTTP/1.1\r\nhost: a\r\n\r\n")

        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"201", b"202"]

    def test_an_old_client_gets_one_answer(self, ports: dict[int, int]) -> None:
        """HTTP/1.0 closes after each answer."""
        answer = self.converse(ports[8080], b"GET / HTTP/1.0\r\n\r\n" * 2)

        assert answer.count(b"HTTP/1.1 200 OK") == 1
        assert b"\r\nconnection: close\r\n" in answer

    def test_a_body_is_asked_for_when_the_client_waits(self, ports: dict[int, int]) -> None:
        """Expect: 100-continue is honoured."""
        answer = self.converse(
            ports[8080], b"PUT / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx"
        )

        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")

    @pytest.mark.parametrize(
        "data",
        [
            b"nonsense HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a",
            b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        ],
    )
    def test_what_is_no_request_is_refused(self, ports: dict[int, int], data: bytes) -> None:
        """The answer is 400, and the stub lives on."""
        with contextlib.suppress(ConnectionError):
            assert self.converse(ports[8080], data).startswith(b"HTTP/1.1 400 ")

        assert self.converse(ports[8080], b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200 OK")

    def test_lines_that_are_not_http_come_back_with_the_workload(self, ports: dict[int, int]) -> None:
        """So callers of a TCP port see which version has answered, the last line without its end too."""
        assert self.converse(ports[8080], b"one\ntwo") == b"web-v1 one\nweb-v1 two"


class TestCalls:
    def test_a_call_is_passed_on_with_its_headers(self, get: Get, ports: dict[int, int]) -> None:
        """The other's answer is put into its own, and served-by names both, outermost first."""
        response, content = get(
            f"/call/localhost:{ports[9102]}/status/418",
            headers={"x-request-id": "r1", "x-envoy-attempt-count": "3"},
        )

        assert response.status == 418
        assert content["upstream"]["path"] == "/status/418"
        assert content["upstream"]["headers"]["x-request-id"] == "r1"
        assert "x-envoy-attempt-count" not in content["upstream"]["headers"]
        assert response.getheader("served-by") == "web/v1/web-v1-abc;attempt=3, web/v1/web-v1-abc"

    def test_calls_go_through_the_proxy(self, ports: dict[int, int]) -> None:
        """With HTTP_PROXY the proxy gets the whole URL, under the authority's name."""
        own = FreePorts().take()

        with running_stub({80: own}, HTTP_PROXY=f"http://127.0.0.1:{ports[8080]}"):
            connection = http.client.HTTPConnection("127.0.0.1", own, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/call/reviews:9080/x")
                upstream = json.loads(connection.getresponse().read())["upstream"]

        assert upstream["path"] == "http://reviews:9080/x"
        assert upstream["headers"]["host"] == "reviews:9080"

    def test_a_failed_call_is_a_bad_gateway(self, get: Get) -> None:
        """The reason is in the answer."""
        response, content = get(f"/call/127.0.0.1:{FreePorts().take()}/")

        assert response.status == 502
        assert "refused" in content["upstream"]["error"]


class TestProcess:
    def test_it_completes_requests_in_progress_at_sigterm(self) -> None:
        """SIGTERM ends it after the answer, not before."""
        port = FreePorts().take()
        head = b"PUT /delay/0.2 HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"
        with running_stub({80: port}) as process, socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head)
            assert connection.recv(100).startswith(b"HTTP/1.1 100")

            process.send_signal(signal.SIGTERM)
            connection.sendall(b"x")

            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            assert process.wait(2) == 0

    def test_every_request_is_a_line_of_its_log(self, tmp_path: Path) -> None:
        """So that mirrored requests, whose answers are dropped, can be seen."""
        port = FreePorts().take()

        with (tmp_path / "log").open("wb") as log, running_stub({80: port}, log):
            for path in ("/a", "/status/503"):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("POST", path, headers={"Host": "shop-shadow", "x-request-id": "r-1"})
                connection.getresponse().read()
                connection.close()

        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert [(line["path"], line["status"]) for line in lines] == [("/a", 200), ("/status/503", 503)]
        assert lines[0] == lines[0] | {
            "method": "POST",
            "host": "shop-shadow",
            "request_id": "r-1",
            "port": 80,
        }

    @pytest.mark.parametrize("arguments", [[], ["{"], ["[]"], ["{}"]])
    def test_without_an_identity_it_says_how_to_run_it(self, arguments: list[str]) -> None:
        """One line on standard error and status 1."""
        result = subprocess.run(
            [sys.executable, "-m", "localmesh.stub", *arguments], capture_output=True, text=True, check=False
        )

        assert result.returncode == 1
        assert result.stderr.startswith("usage: python -m localmesh.stub")

    def test_a_taken_port_is_told(self, ports: dict[int, int]) -> None:
        """One line says what is wrong."""
        identity = json.dumps({**IDENTITY, "ports": {"80": ports[8080]}})

        result = subprocess.run(
            [sys.executable, str(SCRIPT), identity],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )

        assert result.returncode == 1
        assert "cannot listen" in result.stderr


def test_any_unary_method_of_grpc_is_answered(ports: dict[int, int]) -> None:
    """The health service says SERVING, Echo returns the message, any other method an empty one."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{ports[8080]}") as channel:
        health = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
        echo = channel.unary_unary("/proto.EchoTestService/Echo")(b"\x0a\x05hello", timeout=5)
        other, call = channel.unary_unary("/shop.Cart/Get").with_call(b"\x08" * 100_000, timeout=5)
        served_by = dict(call.initial_metadata())["served-by"]

    assert health == b"\x08\x01"
    assert b"Echo=hello\n" in echo
    assert (other, served_by) == (b"", "web/v1/web-v1-abc")


def test_a_stream_of_grpc_is_refused(ports: dict[int, int]) -> None:
    """The stub does not know how many messages a client waits for."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{ports[8080]}") as channel:
        answers = channel.stream_stream("/shop.Cart/Watch")(iter([b"a", b"b"]), timeout=5)
        with pytest.raises(grpc.RpcError) as caught:
            list(answers)

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_websocket_gets_its_messages_back(ports: dict[int, int]) -> None:
    """Text, long messages and pings; the connection ends when the client closes it."""

    async def converse() -> list[object]:
        url = f"http://127.0.0.1:{ports[8080]}/chat"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as websocket:
            await websocket.send_str("hello")
            await websocket.send_bytes(b"x" * 70_000)
            await websocket.ping()
            return [await websocket.receive_str(), len(await websocket.receive_bytes())]

    assert asyncio.run(converse()) == ["hello", 70_000]
