"""Single probes against real servers."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from localmesh.catalog.probe import Action, Execute, GrpcHealth, HttpGet, Sleep, TcpSocket
from localmesh.runtime.workloads import FreePorts
from localmesh.runtime.workloads.probe_client import Target, probe_client

DECLARED = 8080


@dataclass
class Server:
    """Answers every connection with the same bytes and keeps the heads it saw."""

    answer: bytes
    seen: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.seen.append(await reader.readuntil(b"\r\n\r\n"))
            if self.answer:
                writer.write(self.answer)
                await writer.drain()
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _no_command(_words: tuple[str, ...], _timeout: float) -> int | None:
    raise AssertionError("no command was asked for")


async def ask(
    action: Action,
    real_port: int,
    *,
    timeout_seconds: float = 2,
    execute: Callable[[tuple[str, ...], float], Awaitable[int | None]] = _no_command,
) -> str | None:
    target = Target(lambda declared: real_port if declared == DECLARED else declared, execute)
    async with probe_client(target) as client:
        return await client.failure(action, timeout_seconds)


def get(answer: bytes, action: HttpGet, timeout_seconds: float = 2) -> tuple[str | None, list[bytes]]:
    async def scenario() -> tuple[str | None, list[bytes]]:
        async with Server(answer).running() as server:
            failure = await ask(action, server.port, timeout_seconds=timeout_seconds)
            return failure and failure.replace(str(server.port), "PORT"), server.seen

    return asyncio.run(scenario())


def status(number: int) -> bytes:
    if number == 204:
        return b"HTTP/1.1 204 No Content\r\n\r\n"
    return b"HTTP/1.1 %d X\r\ncontent-length: 2\r\nlocation: http://nowhere.invalid/\r\n\r\nok" % number


class TestHttp:
    @pytest.mark.parametrize("number", [200, 204, 301, 399])
    def test_two_and_three_hundreds_are_successes(self, number: int) -> None:
        """A redirect is a success and is not followed."""
        failure, seen = get(status(number), HttpGet(DECLARED))

        assert failure is None
        assert len(seen) == 1

    @pytest.mark.parametrize("number", [400, 404, 500, 503])
    def test_other_statuses_are_failures(self, number: int) -> None:
        """The message has the real address, the declared port and the status."""
        failure, _ = get(status(number), HttpGet(DECLARED, "/readyz"))

        assert failure == f"http://127.0.0.1:PORT/readyz (for port 8080): status {number}"

    def test_the_request_is_the_kubelets(self) -> None:
        """Path and query as written, headers of the manifest, a user agent that says it is a probe."""
        _, seen = get(status(200), HttpGet(DECLARED, "readyz?a=b", headers=(("Host", "web"), ("X-A", "1"))))

        lines = seen[0].decode().lower().split("\r\n")
        assert lines[0] == "get /readyz?a=b http/1.1"
        assert {"host: web", "x-a: 1", "user-agent: kube-probe/localmesh", "connection: close"} <= set(lines)

    def test_an_endless_answer_does_not_hold_it_up(self) -> None:
        """Only the beginning of a body is read."""
        endless = b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n" + b"x" * 20_000

        assert get(endless, HttpGet(DECLARED))[0] is None

    def test_no_answer_is_a_failure_in_time(self) -> None:
        """The time limit counts for the whole question."""
        begin = time.monotonic()

        failure, _ = get(b"", HttpGet(DECLARED), timeout_seconds=0.1)

        assert failure == "http://127.0.0.1:PORT/ (for port 8080): no answer within 0.1 s"
        assert time.monotonic() - begin < 1

    def test_what_is_not_http_is_a_failure(self) -> None:
        """A server of another protocol is not ready."""
        failure, _ = get(b"SSH-2.0-x\r\n", HttpGet(DECLARED))

        assert failure is not None
        assert "\n" not in failure

    def test_a_refused_connection_is_reported_with_a_hint(self) -> None:
        """The most likely reason is a program that insists on its port."""
        failure = asyncio.run(ask(HttpGet(DECLARED), FreePorts().take()))

        assert failure is not None
        assert "(for port 8080): nothing is listening there; the program has to listen on" in failure

    @pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
    def test_a_certificate_is_not_verified(self, tmp_path: Path) -> None:
        """scheme HTTPS speaks TLS, with whatever certificate."""
        key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
        request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        files = ["-nodes", "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=nobody"]
        subprocess.run([*request, *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        async def scenario() -> str | None:
            async with Server(status(200), tls=context).running() as server:
                return await ask(HttpGet(DECLARED, scheme="HTTPS"), server.port)

        assert asyncio.run(scenario()) is None


class TestSocket:
    def test_a_connection_is_enough(self) -> None:
        """No data has to be sent."""

        async def scenario() -> str | None:
            async with Server(b"").running() as server:
                return await ask(TcpSocket(DECLARED), server.port)

        assert asyncio.run(scenario()) is None

    def test_a_refused_connection_is_a_failure(self) -> None:
        """An undeclared port is used as it is, and there is no hint."""
        port = FreePorts().take()

        assert asyncio.run(ask(TcpSocket(port), 1)) == f"127.0.0.1:{port}: nothing is listening there"

    def test_another_host_is_asked_on_the_port_as_written(self) -> None:
        """Only the container's own address is replaced."""
        failure = asyncio.run(ask(TcpSocket(DECLARED, host="host.invalid"), 1))

        assert failure is not None
        assert failure.startswith("host.invalid:8080: ")


class TestCommand:
    @pytest.mark.parametrize(
        ("exit_status", "expected"),
        [(0, None), (1, "test -f x: exit status 1"), (None, "test -f x: no answer within 2 s")],
    )
    def test_the_exit_status_decides(self, exit_status: int | None, expected: str | None) -> None:
        """0 is a success; no end in time is a failure."""

        async def execute(_words: tuple[str, ...], _timeout: float) -> int | None:
            return exit_status

        assert asyncio.run(ask(Execute(("test", "-f", "x")), 1, execute=execute)) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"\x08\x01", None), (b"\x08\x02", "it is not serving"), (None, "UNIMPLEMENTED")],
)
def test_the_health_service_of_grpc_decides(answer: bytes | None, expected: str | None) -> None:
    """SERVING is a success; any other answer and a missing service are failures that say what came."""
    seen: list[bytes] = []

    async def scenario() -> str | None:
        server = grpc.aio.server()

        async def check(request: bytes, _context: object) -> bytes:
            seen.append(request)
            return answer or b""

        methods = {"Check": grpc.unary_unary_rpc_method_handler(check)} if answer else {}
        handler = grpc.method_handlers_generic_handler("grpc.health.v1.Health", methods)
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return await ask(GrpcHealth(DECLARED, "cart"), port)
        finally:
            await server.stop(0)

    failure = asyncio.run(scenario())

    assert failure is None if expected is None else expected in str(failure)
    assert seen == ([b"\x0a\x04cart"] if answer else [])


def test_a_grpc_probe_of_a_port_where_nothing_listens_fails() -> None:
    """The failure says so, as for other probes."""
    failure = asyncio.run(ask(GrpcHealth(DECLARED), FreePorts().take()))

    assert failure is not None
    assert "nothing is listening there" in failure


def test_a_sleep_waits() -> None:
    """It fails only if the time is up before."""
    assert asyncio.run(ask(Sleep(0.01), 1)) is None
    assert "no answer within" in str(asyncio.run(ask(Sleep(5), 1, timeout_seconds=0.01)))
