"""One persistent connection, which carries one request and its answer at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from loadgen.http1.exchange import END_OF_HEAD, Exchange, clock, field
from loadgen.http1.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_HEAD = 64 * 1024
LARGEST_KEPT_BODY = 1024 * 1024


class Pool(Protocol):
    """The owner of connections; each call is made after `exchange` has ended."""

    def made(self, connection: Connection) -> None:
        """The connection is established."""

    def answered(self, connection: Connection, exchange: Exchange, *, reusable: bool) -> None:
        """A complete answer arrived; the connection can carry another request if `reusable`."""

    def lost(self, connection: Connection, exchange: Exchange | None) -> None:
        """The connection is no longer usable; `exchange` is the request that was lost with it."""

    def gone(self, connection: Connection) -> None:
        """The socket is closed."""


class Connection(asyncio.Protocol):
    """States: idle (no exchange) → busy (exchange set) → idle, or closed for good (`_open` false).

    httptools calls only `on_message_complete`: a callback for headers would cost a Python call each (with the
    five headers of Envoy, a tenth of a request's CPU time).
    """

    def __init__(self, pool: Pool) -> None:
        self.exchange: Exchange | None = None
        self._pool = pool
        self._open = True
        self._renew()

    def _renew(self) -> None:
        self._parser = HttpResponseParser(self)
        self._feed: Callable[[bytes], None] = self._parser.feed_data
        self._head = b""
        self._complete = 0
        self._status = 0
        self._reusable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop once."""
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._pool.made(self)

    def start(self, exchange: Exchange) -> None:
        """Send the request; only on an idle connection."""
        self.exchange = exchange
        self._write(exchange.request)

    def abort(self, loss: Loss) -> None:
        """End the exchange as lost, if there is one, and close the connection at once."""
        if self._open:
            self._lose(loss)

    def close(self) -> None:
        """Close an idle connection."""
        self._open = False
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop with received data: part of an answer, or usually all of it."""
        if not self._head:
            self._head = data
        elif END_OF_HEAD not in self._head:
            self._head += data
        broken = False
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade):
            broken = True
        exchange = self.exchange
        if self._complete and exchange is not None:
            self._finish(exchange, reusable=self._reusable and not broken and self._complete == 1)
        elif self._open:
            self._unfinished(exchange, broken=broken)

    def on_message_complete(self) -> None:
        """Called by httptools at the end of each answer, including informational ones (1xx)."""
        status = self._parser.get_status_code()
        if status < 200:
            self._head = self._head.partition(END_OF_HEAD)[2]
            return
        self._complete += 1
        if self._complete > 1:
            return
        self._status = status
        # Must be read here: llhttp discards the Connection header when this callback returns.
        self._reusable = self._parser.should_keep_alive()

    def _finish(self, exchange: Exchange, *, reusable: bool) -> None:
        exchange.ended = clock()
        exchange.status = self._status
        exchange.head = self._head
        self.exchange = None
        self._head = b""
        self._complete = 0
        if not reusable:
            self.close()
        self._pool.answered(self, exchange, reusable=reusable)

    def _unfinished(self, exchange: Exchange | None, *, broken: bool) -> None:
        whole_head = END_OF_HEAD in self._head
        if exchange is None or broken or (len(self._head) > LARGEST_HEAD and not whole_head):
            self._lose(Loss.PROTOCOL)
        elif whole_head and exchange.request.startswith(b"HEAD "):
            # The parser does not know that this answer has no body, despite its Content-Length.
            status, reusable = self._parser.get_status_code(), self._parser.should_keep_alive()
            head = self._head
            self._renew()
            self._status, self._head = status, head
            self._finish(exchange, reusable=reusable)

    def eof_received(self) -> bool:
        """Called by the event loop when the peer closes its side, which ends an answer without a length."""
        exchange = self.exchange
        if exchange is not None and self._ends_with_the_connection():
            self._status = self._parser.get_status_code()
            self._finish(exchange, reusable=False)
        elif self._open:
            self._lose(Loss.TRUNCATED if self._head else Loss.CLOSED)
        return False

    def _ends_with_the_connection(self) -> bool:
        if END_OF_HEAD not in self._head:
            return False
        return all(field(self._head, name) is None for name in (b"content-length", b"transfer-encoding"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop when either side has closed the socket."""
        if self._open:
            unanswered = Loss.TRUNCATED if self._head else Loss.CLOSED
            self._lose(unanswered if exc is None else Loss.RESET)
        self._pool.gone(self)

    def _lose(self, loss: Loss) -> None:
        exchange, self.exchange = self.exchange, None
        self._open = False
        self._transport.abort()
        if exchange is not None:
            exchange.ended = clock()
            exchange.loss = loss
        self._pool.lost(self, exchange)


class BodyKeepingConnection(Connection):
    """A connection that also keeps response bodies, up to LARGEST_KEPT_BODY bytes each."""

    def on_body(self, part: bytes) -> None:
        """Called by httptools with each part of a body, after chunked decoding."""
        if self.exchange is not None and len(self.exchange.body) < LARGEST_KEPT_BODY:
            self.exchange.body += part
