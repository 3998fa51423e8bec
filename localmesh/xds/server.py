"""The ADS server: one gRPC stream per proxy, and the order in which a change is rolled out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio
from google.protobuf.message import Message

from localmesh.envoy_messages.messages import (
    CLUSTER,
    ENDPOINTS,
    EXTENSION,
    LISTENER,
    ROUTE,
    SCOPE,
    SECRET,
    message_class,
)
from localmesh.errors import LocalmeshError
from localmesh.xds.sessions import RejectedError, Session, eds_names
from localmesh.xds.snapshots import Resources, Snapshot

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_METHOD = "StreamAggregatedResources"
_REQUEST = "envoy.service.discovery.v3.DiscoveryRequest"

_ANSWER_SECONDS = 10
# Envoys take about 0.2 ms of CPU time for each, share the machine with each other, and may find it busy.
_SECONDS_PER_RESOURCE = 0.001


ConnectionPolicy = Callable[[str, str], Awaitable[bool]]
"""Whether a client at an address may get the configuration of a named proxy, which includes its keys."""


class NotAcknowledgedError(LocalmeshError):
    """Proxies have not acknowledged their configuration in time; `proxies` names them."""

    def __init__(self, proxies: list[str], seconds: float) -> None:
        self.proxies = proxies
        super().__init__(f"not acknowledged within {seconds:g} s by {', '.join(sorted(proxies))}")


class AdsServer:
    """Serves each proxy its snapshot and pushes what changes.

    `further` are services for proxies beside that, on the same port.
    """

    def __init__(self, further: Iterable[grpc.GenericRpcHandler] = ()) -> None:
        self._further = tuple(further)
        self._snapshots: dict[str, Snapshot] = {}
        self._sessions: dict[str, Session] = {}
        self._connected = asyncio.Condition()
        self._server: grpc.aio.Server | None = None
        self._admits: ConnectionPolicy | None = None

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, admits: ConnectionPolicy | None = None
    ) -> int:
        """Listens on a port (0 for any free one) and returns it; `admits` decides about each new stream."""
        self._admits = admits
        # if two servers shared a port, each would get half of the proxies
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handler: grpc.RpcMethodHandler[Message, Message] = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=message_class(_REQUEST).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        own = grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler})
        server.add_generic_rpc_handlers((own, *self._further))
        bound = server.add_insecure_port(f"{host}:{port}")
        await server.start()
        self._server = server
        return bound

    async def stop(self) -> None:
        """Ends all streams."""
        if self._server is not None:
            await self._server.stop(grace=None)

    def synced(self, proxy: str) -> bool:
        """Whether a proxy is connected and has acknowledged clusters and listeners."""
        session = self._sessions.get(proxy)
        return session is not None and session.acknowledged(CLUSTER) and session.acknowledged(LISTENER)

    def expect(self, proxy: str, snapshot: Snapshot) -> None:
        """Provides the snapshot for a proxy that is about to connect."""
        self._snapshots[proxy] = snapshot

    def forget(self, proxy: str) -> None:
        """Removes a proxy that is no longer part of the mesh.

        Its stream ends. An Envoy that localmesh has not started keeps running; it gets a configuration again
        if it connects again.
        """
        self._snapshots.pop(proxy, None)
        session = self._sessions.pop(proxy, None)
        if session is not None:
            session.end()

    @property
    def longest_transfer_seconds(self) -> int:
        """How long proxies may take for all that they are sent, in addition to the time for an answer."""
        return round(_SECONDS_PER_RESOURCE * sum(snapshot.size for snapshot in self._snapshots.values()))

    async def rejection(self, proxy: str) -> RejectedError:
        """Waits until a proxy has connected and rejected a configuration."""
        async with self._connected:
            await self._connected.wait_for(lambda: proxy in self._sessions)
        return await self._sessions[proxy].rejection()

    async def roll_out(
        self, snapshots: Mapping[str, Snapshot], *, timeout_seconds: float | None = None
    ) -> None:
        """Updates proxies to new snapshots; returns when all have acknowledged them.

        Without a timeout, proxies have a time in proportion to what they are sent.

        Raises RejectedError with the first rejection, after a rollback of all proxies to their previous
        snapshots. Raises NotAcknowledgedError if a proxy does not answer in time.
        """
        if timeout_seconds is None:
            timeout_seconds = _ANSWER_SECONDS + self.longest_transfer_seconds
        before = {proxy: self._snapshots[proxy] for proxy in snapshots if proxy in self._snapshots}
        try:
            await self._roll_out(snapshots, timeout_seconds)
        except RejectedError:
            await self._roll_out(before, timeout_seconds, again=True)
            raise

    async def _roll_out(
        self, snapshots: Mapping[str, Snapshot], timeout_seconds: float, *, again: bool = False
    ) -> None:
        tasks: dict[asyncio.Task[None], str] = {}
        for proxy, snapshot in snapshots.items():
            before = self._snapshots.get(proxy)
            self._snapshots[proxy] = snapshot
            session = self._sessions.get(proxy)
            if session is not None and before is not None and (again or before != snapshot):
                tasks[asyncio.create_task(_update(session, before, snapshot, again=again))] = proxy
        if not tasks:
            return
        done, pending = await asyncio.wait(
            tasks, timeout=timeout_seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        if pending:
            raise NotAcknowledgedError([tasks[task] for task in pending], timeout_seconds)

    async def _stream(
        self, requests: AsyncIterator[Message], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Message]:
        outbox: asyncio.Queue[Message | None] = asyncio.Queue()
        reader = asyncio.create_task(self._read(requests, outbox, _host(context.peer())))
        try:
            while (response := await outbox.get()) is not None:
                yield response
        finally:
            reader.cancel()

    async def _read(
        self, requests: AsyncIterator[Message], outbox: asyncio.Queue[Message | None], caller: str
    ) -> None:
        session: Session | None = None
        try:
            async for request in requests:
                if session is None:
                    session = await self._open(request, outbox, caller)
                    if session is None:
                        return
                session.receive(request)
        finally:
            outbox.put_nowait(None)
            if session is not None and self._sessions.get(session.proxy) is session:
                del self._sessions[session.proxy]

    async def _open(
        self, request: Message, outbox: asyncio.Queue[Message | None], caller: str
    ) -> Session | None:
        proxy: str = getattr(request, "node").id  # noqa: B009
        if self._admits is not None and not await self._admits(proxy, caller):
            return None
        snapshot = self._snapshots.get(proxy)
        if snapshot is None:
            return None  # not a proxy of this mesh
        session = Session(proxy, snapshot, outbox.put_nowait)
        async with self._connected:
            self._sessions[proxy] = session
            self._connected.notify_all()
        return session


def _host(peer: str) -> str:
    """The address of a gRPC peer such as ``ipv4:172.18.0.3:55012`` or ``ipv6:%5B::1%5D:55012``."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")


async def _update(session: Session, before: Snapshot, after: Snapshot, *, again: bool) -> None:
    """Updates one proxy from one snapshot to another, make before break.

    New clusters are sent first, with their endpoints, then what refers to them. Clusters that nothing refers
    to any more are removed last, so that no route ever names a missing cluster.
    """
    # certificates before what uses them; policies before the routes that they protect
    await session.push(SECRET, after.of(SECRET), again=again)
    old, new = before.of(CLUSTER), after.of(CLUSTER)
    clusters_changed = again or old != new
    if clusters_changed:
        # Envoy acknowledges clusters only when they are warm, and a new or changed one is warm only when it
        # has endpoints: these follow immediately, even if they are the same as before
        session.send(CLUSTER, Resources({**old, **new}), again=again)
        session.send(ENDPOINTS, after.of(ENDPOINTS), again=True)
        await session.settled(CLUSTER)
        await session.subscribed(ENDPOINTS, eds_names(after))
    await session.push(ENDPOINTS, after.of(ENDPOINTS))
    for type_url in (EXTENSION, LISTENER, SCOPE):
        await session.push(type_url, after.of(type_url), again=again)
    # a new listener has asked for its certificates before it is acknowledged, and accepts nothing without
    await session.settled(SECRET)
    await session.subscribed(ROUTE, frozenset(after.of(ROUTE)))
    await session.push(ROUTE, after.of(ROUTE), again=again)
    if clusters_changed:
        await session.push(CLUSTER, new)
