"""The HTTP client against real sockets that answer well, slowly, wrongly or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgen.http1 import Client, Exchange, Limits, Loss, Request, Target, clock
from loadgen.http1.connection import Connection
from loadgen.tests.servers import (
    Handler,
    always,
    answer,
    closed_port,
    never,
    once,
    read_request,
    reset,
    serving,
)

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def exchanges(
    url: str, requests: Sequence[Request], *, limits: Limits | None = None, keep_bodies: bool = True
) -> list[Exchange]:
    """Sends all requests at once; returns them in the order in which they ended."""

    async def send() -> list[Exchange]:
        target = Target.from_url(url)
        ended: list[Exchange] = []
        all_ended = asyncio.Event()

        def take(exchange: Exchange) -> None:
            ended.append(exchange)
            if len(ended) == len(requests):
                all_ended.set()

        client = Client(target, limits or Limits(4, request_seconds=5), take, keep_bodies=keep_bodies)
        for number, request in enumerate(requests):
            client.send(Exchange(request.encode(target), clock(), number))
        await all_ended.wait()
        await client.close()
        return ended

    return uvloop.run(send())


def exchange_with(handler: Handler, request: Request | None = None, **options: object) -> Exchange:
    """Sends one request to a server with this handler."""
    with serving(handler) as url:
        return exchanges(url, [request or Request()], **options)[0]


class TestAnswers:
    def test_an_answer_has_status_fields_body_and_latency(self):
        """A plain answer is returned completely."""
        ended = exchange_with(always(answer(201, b"made", "Served-By: logic/v1/a\r\n")))

        assert (ended.loss, ended.status, ended.body) == (None, 201, b"made")
        assert ended.field(b"served-by") == b"logic/v1/a"
        assert 0 < ended.latency < 5_000_000_000

    def test_repeated_fields_are_joined(self):
        """Two lines of one header are one list (RFC 9110)."""
        ended = exchange_with(always(answer(headers="served-by: a\r\nx: 1\r\nSERVED-BY:b\r\n")))

        assert ended.field(b"served-by") == b"a, b"
        assert ended.field(b"y") is None

    def test_what_looks_like_a_field_in_the_body_is_not_one(self):
        """Fields are searched in the head only."""
        ended = exchange_with(always(answer(body=b"\r\nserved-by: me\r\n\r\n")))

        assert ended.field(b"served-by") is None

    def test_chunked_bodies_are_decoded(self):
        """A chunked body with extensions and trailers is decoded."""
        pieces = (CHUNKED, b"5\r\nhello\r\n", b"7;x=y\r\n, world\r\n", b"0\r\ntrailer: z\r\n\r\n")

        ended = exchange_with(always(*pieces))

        assert (ended.status, ended.body) == (200, b"hello, world")

    def test_an_answer_without_length_ends_with_the_connection(self):
        """HTTP allows a body that lasts until the server closes."""
        ended = exchange_with(once(b"HTTP/1.1 200 OK\r\nx: y\r\n\r\nall ", b"of it"))

        assert (ended.loss, ended.status, ended.body) == (None, 200, b"all of it")

    @pytest.mark.parametrize("headers", ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n", ""])
    def test_the_answer_to_head_has_no_body(self, headers: str):
        """Even with a Content-Length, the next answer follows directly."""
        handler = always(f"HTTP/1.1 200 OK\r\n{headers}connection: keep-alive\r\n\r\n".encode())

        with serving(handler) as url:
            ended = exchanges(url, [Request("HEAD"), Request("HEAD")], limits=Limits(1, request_seconds=5))

        assert [(one.loss, one.status) for one in ended] == [(None, 200), (None, 200)]

    @pytest.mark.parametrize("status", [204, 304])
    def test_statuses_without_body_end_with_their_head(self, status: int):
        """204 and 304 have no body, even if a length is given."""
        ended = exchange_with(always(f"HTTP/1.1 {status} -\r\nx: y\r\n\r\n".encode()))

        assert (ended.loss, ended.status) == (None, status)

    @pytest.mark.parametrize("pieces", [1, 2])
    def test_informational_answers_are_skipped(self, pieces: int):
        """The final answer and its fields count, whether or not it arrives together with the 1xx."""
        early = b"HTTP/1.1 103 Early Hints\r\nserved-by: hint\r\n\r\n"
        final = answer(headers="served-by: final\r\n")

        ended = exchange_with(
            always(early + final) if pieces == 1 else always(early, final, seconds_between=0.02)
        )

        assert (ended.status, ended.field(b"served-by")) == (200, b"final")

    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def test_an_answer_may_be_split_anywhere(self, data: st.DataObject):
        """However the bytes are split, the answer is the same, and the connection stays usable."""
        whole = (
            CHUNKED.replace(b"\r\n\r\n", b"\r\nserved-by: logic/v2/b\r\n\r\n") + b"5\r\nhello\r\n0\r\n\r\n"
        )
        cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
        pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

        with serving(always(*pieces, seconds_between=0.0005)) as url:
            ended = exchanges(url, [Request(), Request()], limits=Limits(1))

        assert [(one.status, one.body, one.field(b"served-by")) for one in ended] == [
            (200, b"hello", b"logic/v2/b")
        ] * 2


class TestConnections:
    def test_a_connection_is_reused(self):
        """Successive requests share a connection."""
        connections = []

        async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(reader)
            await always(answer())(reader, writer)

        with serving(counting) as url:
            ended = exchanges(url, [Request()] * 5, limits=Limits(1))

        assert [one.status for one in ended] == [200] * 5
        assert len(connections) == 1

    @pytest.mark.parametrize(
        "closing", [answer(headers="connection: close\r\n"), answer().replace(b"HTTP/1.1", b"HTTP/1.0")]
    )
    def test_a_closing_answer_makes_the_next_request_open_a_connection(self, closing: bytes):
        """After Connection: close, or HTTP/1.0, the connection is not reused, and no request is lost."""
        with serving(once(closing)) as url:
            ended = exchanges(url, [Request()] * 4, limits=Limits(1))

        assert [(one.loss, one.status) for one in ended] == [(None, 200)] * 4

    def test_the_connection_limit_is_respected(self):
        """Requests beyond the limit wait for a free connection."""
        open_now, most = 0, 0

        async def watching(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            try:
                await always(b"", answer(), seconds_between=0.005)(reader, writer)
            finally:
                open_now -= 1

        with serving(watching) as url:
            ended = exchanges(url, [Request()] * 30, limits=Limits(3))

        assert len(ended) == 30
        assert most == 3

    def test_an_idle_connection_that_the_server_closes_loses_nothing(self):
        """The pool removes it and opens another."""

        async def two_rounds(url: str) -> list[Exchange]:
            target = Target.from_url(url)
            ended: asyncio.Queue[Exchange] = asyncio.Queue()
            client = Client(target, Limits(1), ended.put_nowait)
            client.send(Exchange(Request().encode(target), clock()))
            first = await ended.get()
            while client.open_connections:
                await asyncio.sleep(0.001)
            client.send(Exchange(Request().encode(target), clock()))
            second = await ended.get()
            await client.close()
            return [first, second]

        with serving(once(answer())) as url:
            ended = uvloop.run(two_rounds(url))

        assert [one.status for one in ended] == [200, 200]

    def test_surplus_bytes_end_the_connection_but_not_the_answer(self):
        """An answer followed by unexpected bytes counts, but its connection is closed."""
        with serving(always(answer() + b"surplus")) as url:
            ended = exchanges(url, [Request()] * 3, limits=Limits(1))

        assert [(one.loss, one.status) for one in ended] == [(None, 200)] * 3

    def test_two_answers_to_one_request_are_one_answer(self):
        """The second answer is never matched to the next request."""
        with serving(always(answer(200) + answer(500))) as url:
            ended = exchanges(url, [Request()] * 3, limits=Limits(1))

        assert [one.status for one in ended] == [200] * 3


class TestLosses:
    @pytest.mark.parametrize(
        ("handler", "loss"),
        [
            pytest.param(once(), Loss.CLOSED, id="closed before any byte"),
            pytest.param(once(b"HTTP/1.1 200 OK\r\ncontent-le"), Loss.TRUNCATED, id="closed within the head"),
            pytest.param(once(answer()[:-1]), Loss.TRUNCATED, id="closed within the body"),
            pytest.param(once(CHUNKED + b"5\r\nhello\r\n"), Loss.TRUNCATED, id="no last chunk"),
            pytest.param(reset, Loss.RESET, id="reset"),
            pytest.param(always(b"SSH-2.0-OpenSSH_9.9\r\n"), Loss.PROTOCOL, id="another protocol"),
            pytest.param(always(b"HTTP/1.1 2000 OK\r\n\r\n"), Loss.PROTOCOL, id="not a status"),
            pytest.param(always(CHUNKED + b"hello\r\n"), Loss.PROTOCOL, id="not a chunk size"),
            pytest.param(always(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000), Loss.PROTOCOL, id="endless head"),
            pytest.param(
                always(b"HTTP/1.1 101 -\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
                Loss.PROTOCOL,
                id="upgrade",
            ),
        ],
    )
    def test_each_failure_has_its_kind_of_loss(self, handler: Handler, loss: Loss):
        """A request without a complete answer is lost, with the kind of the failure."""
        ended = exchange_with(handler)

        assert ended.loss is loss

    def test_a_refused_connection(self):
        """Every request is refused if the port is closed."""
        ended = exchanges(f"http://127.0.0.1:{closed_port()}", [Request()] * 3)

        assert [one.loss for one in ended] == [Loss.REFUSED] * 3

    def test_a_name_without_address(self):
        """A host name that does not resolve is a separate kind of loss."""
        ended = exchanges("http://no-such-host.invalid", [Request()])

        assert ended[0].loss is Loss.DNS

    def test_an_answer_that_exceeds_the_timeout(self):
        """The request is lost after its timeout, measured from its scheduled time."""
        ended = exchange_with(never, limits=Limits(1, request_seconds=0.1))

        assert ended.loss is Loss.TIMEOUT
        assert 0.1 <= ended.latency / 1e9 < 4

    def test_waiting_for_a_connection_counts_as_waiting(self):
        """Requests without a free connection time out like requests without an answer."""
        with serving(never) as url:
            ended = exchanges(url, [Request()] * 3, limits=Limits(1, request_seconds=0.1))

        assert [one.loss for one in ended] == [Loss.TIMEOUT] * 3

    def test_a_slow_body_does_not_extend_the_timeout(self):
        """The timeout covers the complete answer, not each part of it."""
        trickle = always(CHUNKED, *[b"1\r\nx\r\n"] * 100, seconds_between=0.02)

        ended = exchange_with(trickle, limits=Limits(1, request_seconds=0.15))

        assert ended.loss is Loss.TIMEOUT

    def test_requests_in_progress_at_the_end_are_abandoned(self):
        """Closing the client ends every request, including waiting ones."""

        async def close_early(url: str) -> list[Exchange]:
            target = Target.from_url(url)
            ended: list[Exchange] = []
            client = Client(target, Limits(1), ended.append)
            for number in range(3):
                client.send(Exchange(Request().encode(target), clock(), number))
            while not client.open_connections:
                await asyncio.sleep(0.001)
            await client.close()
            return ended

        with serving(never) as url:
            ended = uvloop.run(close_early(url))

        assert sorted(one.number for one in ended) == [0, 1, 2]
        assert {one.loss for one in ended} == {Loss.ABANDONED}

    def test_it_can_be_closed_while_connections_are_being_opened(self):
        """At any time: uvloop does not tell a protocol that it has closed one whose opening was cancelled."""

        async def close_after(turns: int, url: str) -> list[Exchange]:
            target = Target.from_url(url)
            ended: list[Exchange] = []
            client = Client(target, Limits(20), ended.append)
            for _ in range(20):
                client.send(Exchange(Request().encode(target), clock()))
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await client.close()
            return ended

        with serving(always(answer())) as url:
            ended = [uvloop.run(close_after(turns, url)) for turns in range(20)]

        assert [len(all_of_one) for all_of_one in ended] == [20] * 20

    def test_a_connection_that_is_established_at_its_deadline_is_not_kept(self):
        """On a busy machine the loop notices both at once, and uvloop has closed the connection."""

        class Busy(Client):
            def made(self, connection: Connection) -> None:
                super().made(connection)
                time.sleep(0.1)  # longer than the deadline: it passes before the task goes on

        async def send_one(url: str) -> tuple[list[Exchange], int]:
            target = Target.from_url(url)
            ended: list[Exchange] = []
            client = Busy(target, Limits(1, connect_seconds=0.05), ended.append)
            client.send(Exchange(Request().encode(target), clock()))
            async with asyncio.timeout(5):
                while not ended:
                    await asyncio.sleep(0.01)
                await client.close()
            return ended, client.open_connections

        with serving(always(answer())) as url:
            ended, left = uvloop.run(send_one(url))

        assert len(ended) == 1
        assert left == 0


class TestWhatIsSent:
    def test_the_server_gets_the_request(self):
        """Method, path, headers and body arrive as given, with Host and Content-Length added."""
        received = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append(await read_request(reader))
            writer.write(answer(headers="connection: close\r\n"))

        exchange_with(handler=handle, request=Request("POST", "/a?b=c", (("X-One", "1"),), b"body"))

        request = received[0]
        assert (request.method, request.path, request.body) == ("POST", "/a?b=c", b"body")
        assert request.headers["x-one"] == "1"
        assert request.headers["content-length"] == "4"
        assert request.headers["host"].startswith("127.0.0.1:")
