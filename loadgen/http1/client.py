"""Assigns requests to connections: reuse, limits, timeouts. Every request ends exactly once."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadgen.http1.connection import BodyKeepingConnection, Connection
from loadgen.http1.exchange import SECOND, Exchange, clock
from loadgen.http1.loss import Loss, loss_of_connecting

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadgen.http1.target import Target


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum number of connections, and the timeouts.

    `request_seconds` counts from the intended send time to the end of the answer, including the wait for a
    free connection. It is checked every twentieth of that time, and at least every 50 ms.
    """

    connections: int
    request_seconds: float = 10.0
    connect_seconds: float = 5.0


class Client:
    """Sends requests to one target, and returns every exchange once, answered or lost.

    `ended` is called from the event loop and may send the next request at once. No request is sent twice: if
    the peer closes the connection during a request, the request is lost.
    """

    def __init__(
        self, target: Target, limits: Limits, ended: Callable[[Exchange], None], *, keep_bodies: bool = False
    ) -> None:
        self._target = target
        self._limits = limits
        self._ended = ended
        self._protocol = BodyKeepingConnection if keep_bodies else Connection
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._connecting: dict[asyncio.Task[None], Connection] = {}
        self._waiting: deque[Exchange] = deque()
        self._closing = False
        self._all_gone = asyncio.Event()
        self._sweep_seconds = min(0.05, max(0.001, limits.request_seconds / 20))
        self._sweeper = self._loop.call_later(self._sweep_seconds, self._sweep)

    @property
    def open_connections(self) -> int:
        """Connections that are open or being opened."""
        return len(self._connections) + len(self._connecting)

    def send(self, exchange: Exchange) -> None:
        """Send now on a free connection, or on the next one that is free or new."""
        if self._idle:
            # The most recently used one: so a few connections stay in use, and the others time out.
            self._idle.pop().start(exchange)
        else:
            self._waiting.append(exchange)
            self._connect_if_needed()

    async def close(self) -> None:
        """Abandon the requests in progress and close every connection."""
        self._closing = True
        self._sweeper.cancel()
        for task, connection in self._connecting.items():
            if connection not in self._connections:  # uvloop closes an established one without a word
                task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        while self._waiting:
            self._give_up(self._waiting.popleft(), Loss.ABANDONED)
        for connection in list(self._connections):
            connection.abort(Loss.ABANDONED)
        while self._connections:
            self._all_gone.clear()
            await self._all_gone.wait()

    def made(self, connection: Connection) -> None:
        """A connection is ready for its first request."""
        if self._closing:
            connection.abort(Loss.ABANDONED)
            return
        self._connections.add(connection)
        self._serve_next(connection)

    def answered(self, connection: Connection, exchange: Exchange, *, reusable: bool) -> None:
        """A connection has received its answer."""
        if reusable:
            self._serve_next(connection)
        self._ended(exchange)

    def lost(self, connection: Connection, exchange: Exchange | None) -> None:
        """A connection broke, with a request on it or idle."""
        if exchange is not None:
            self._ended(exchange)
        elif connection in self._idle:
            self._idle.remove(connection)
        self._connect_if_needed()

    def gone(self, connection: Connection) -> None:
        """A connection's socket is closed."""
        self._connections.discard(connection)
        self._connect_if_needed()
        if not self._connections:
            self._all_gone.set()

    def _serve_next(self, connection: Connection) -> None:
        if self._waiting:
            connection.start(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _connect_if_needed(self) -> None:
        while (
            len(self._waiting) > len(self._connecting)
            and self.open_connections < self._limits.connections
            and not self._closing
        ):
            connection = self._protocol(self)
            task = self._loop.create_task(self._connect(connection))
            self._connecting[task] = connection
            task.add_done_callback(self._connect_ended)

    async def _connect(self, connection: Connection) -> None:
        target = self._target
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await self._loop.create_connection(lambda: connection, target.connect_to, target.port)
        except OSError as error:
            if connection in self._connections:
                # The deadline passed just after it was established: uvloop has closed it and tells nobody.
                connection.abort(loss_of_connecting(error))
                self.gone(connection)
                return
            # The request that has waited longest is lost; if none waits any more, nothing is.
            if self._waiting:
                self._give_up(self._waiting.popleft(), loss_of_connecting(error))

    def _connect_ended(self, task: asyncio.Task[None]) -> None:
        del self._connecting[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        self._connect_if_needed()

    def _give_up(self, exchange: Exchange, loss: Loss) -> None:
        exchange.ended = clock()
        exchange.loss = loss
        self._ended(exchange)

    def _sweep(self) -> None:
        oldest = clock() - int(self._limits.request_seconds * SECOND)
        while self._waiting and self._waiting[0].intended < oldest:
            self._give_up(self._waiting.popleft(), Loss.TIMEOUT)
        late = [
            connection
            for connection in self._connections
            if connection.exchange is not None and connection.exchange.intended < oldest
        ]
        for connection in late:
            connection.abort(Loss.TIMEOUT)
        self._sweeper = self._loop.call_later(self._sweep_seconds, self._sweep)
