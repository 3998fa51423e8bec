"""Servers for tests: real sockets on loopback, in a separate thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.contextmanager
def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Runs a server that passes each connection to the handler and then closes it; yields its URL."""
    address: Future[str] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(handler, address, stop, tls)))
    thread.start()
    try:
        yield address.result(timeout=5)
    finally:
        stop.set()
        thread.join(timeout=5)


async def _serve(
    handler: Handler, address: Future[str], stop: threading.Event, tls: ssl.SSLContext | None
) -> None:
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        connections.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()
        connections.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    address.set_result(f"{'https' if tls else 'http'}://{host}:{port}")
    while not stop.is_set():
        await asyncio.sleep(0.01)
    server.close()
    for task in list(connections):
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    await server.wait_closed()


@dataclass(frozen=True)
class Received:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Received:
    """The next request on a connection; raises IncompleteReadError if there is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, path, headers, body)


def answer(status: int = 200, body: bytes = b"ok", headers: str = "") -> bytes:
    """A complete answer; `headers` are lines with line breaks."""
    return f"HTTP/1.1 {status} -\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


def json_answer(status: int, document: object) -> bytes:
    """An answer with a JSON body."""
    return answer(status, json.dumps(document).encode(), "content-type: application/json\r\n")


def always(*pieces: bytes, seconds_between: float = 0.0) -> Handler:
    """A handler that answers every request with these bytes, in these parts."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(seconds_between)

    return handle


def once(*pieces: bytes) -> Handler:
    """A handler that answers one request with these bytes and closes the connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return handle


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A handler that reads a request and then resets the connection."""
    await read_request(reader)
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A handler that reads a request and never answers."""
    await read_request(reader)
    await reader.read()


def closed_port() -> int:
    """A closed port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
