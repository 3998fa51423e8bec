"""HTTP/2 for the stub: one connection, whose streams are answered side by side.

It is loaded only when a client speaks HTTP/2, as its libraries would double the time that a stub takes to
start.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from localmesh.stub.grpc import is_grpc, reply

Headers = dict[str, str]
Answer = Callable[[str, str, Headers, bytes], tuple[int, dict[str, Any], Headers]]
"""Answers a request of method, path, headers and body: the status, what JSON says, further headers."""


@dataclass(slots=True)
class _Stream:
    """A request that is coming in, or the rest of a response that is going out."""

    method: str
    path: str
    headers: Headers
    body: bytearray = field(default_factory=bytearray)
    rest: bytes = b""
    trailers: Headers = field(default_factory=dict)
    is_answered: bool = False


class Http2Connection:
    """Answers the requests of a connection until it ends.

    `answer` is called in a thread for each request, because it may wait.
    """

    def __init__(self, connection: socket.socket, answer: Answer) -> None:
        self._socket = connection
        self._answer = answer
        self._lock = threading.Lock()
        self._streams: dict[int, _Stream] = {}
        self._http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def serve(self, received: bytes, read: Callable[[], bytes]) -> None:
        """Answers requests; `received` is what has been read already, and `read` the next part or b""."""
        self._http2.initiate_connection()
        try:
            while received:
                with self._lock:
                    for event in self._http2.receive_data(received):
                        self._take(event)
                    self._flush()
                received = read()
        except ProtocolError:
            self._send()

    def drain(self) -> None:
        """Tells the client that no more requests are accepted."""
        with self._lock:
            self._http2.close_connection()
            self._send()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            names = {str(name): str(value) for name, value in event.headers}
            self._streams[event.stream_id] = _Stream(
                names.pop(":method", ""), names.pop(":path", "/"), _with_host(names)
            )
        elif isinstance(event, DataReceived) and event.stream_id in self._streams:
            self._streams[event.stream_id].body += event.data
            self._http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded) and event.stream_id in self._streams:
            arguments = (event.stream_id, self._streams[event.stream_id])
            threading.Thread(target=self._respond, args=arguments, daemon=True).start()
        elif isinstance(event, StreamReset):
            self._streams.pop(event.stream_id, None)
        elif isinstance(event, WindowUpdated | ConnectionTerminated):
            pass  # what waits for the window is sent after each event

    def _respond(self, number: int, stream: _Stream) -> None:
        status, content, further = self._answer(
            stream.method, stream.path, stream.headers, bytes(stream.body)
        )
        if is_grpc(stream.headers):
            headers, stream.rest, stream.trailers = reply(
                stream.path, stream.headers, bytes(stream.body), content
            )
        else:
            headers = {"content-type": "application/json"}
            is_empty = stream.method == "HEAD" or status in {204, 304}
            stream.rest = b"" if is_empty else (json.dumps(content, indent=2) + "\n").encode()
        with self._lock:
            if number not in self._streams:
                return  # the client has given up
            fields = [(":status", str(status)), *headers.items(), *further.items()]
            is_last = not stream.rest and not stream.trailers
            self._http2.send_headers(number, fields, end_stream=is_last)
            stream.is_answered = True
            if is_last:
                del self._streams[number]
            self._flush()

    def _flush(self) -> None:
        """Sends as much of the responses as the client's windows allow."""
        for number, stream in list(self._streams.items()):
            if stream.is_answered:
                self._send_rest(number, stream)
        self._send()

    def _send_rest(self, number: int, stream: _Stream) -> None:
        while stream.rest:
            size = min(self._http2.local_flow_control_window(number), self._http2.max_outbound_frame_size)
            if size <= 0:
                return
            part, stream.rest = stream.rest[:size], stream.rest[size:]
            is_last = not stream.rest and not stream.trailers
            self._http2.send_data(number, part, end_stream=is_last)
        if stream.trailers:
            self._http2.send_headers(number, list(stream.trailers.items()), end_stream=True)
        del self._streams[number]

    def _send(self) -> None:
        if data := self._http2.data_to_send():
            self._socket.sendall(data)


def _with_host(headers: Headers) -> Headers:
    """The headers as those of HTTP/1.1: the authority is the host."""
    authority = headers.pop(":authority", "")
    headers.pop(":scheme", None)
    return {"host": authority, **headers} if authority else headers
