"""One proxy's ADS stream: its subscriptions, what has been sent, and what it has acknowledged.

The protocol is Envoy's "xDS REST and gRPC protocol", state of the world: a response has all clusters,
listeners or scopes, or those of the subscribed resources of another type that have changed. The proxy answers
it with an ACK or a NACK that has the response's nonce.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from localmesh.envoy_messages.messages import CLUSTER, ENDPOINTS, LISTENER, SCOPE, message_class
from localmesh.errors import LocalmeshError
from localmesh.xds.snapshots import Resources, Snapshot

_WILDCARD = frozenset({CLUSTER, LISTENER, SCOPE})
_RESPONSE = "envoy.service.discovery.v3.DiscoveryResponse"


class RejectedError(LocalmeshError):
    """A proxy has rejected a configuration (NACK); `reason` is Envoy's message."""

    def __init__(self, proxy: str, type_url: str, reason: str) -> None:
        self.proxy, self.type_url = proxy, type_url
        # Envoy sometimes prints the whole resource, line by line, before its message
        self.reason = reason.strip().rpartition("\n")[2].removeprefix(": ")
        super().__init__(f"{proxy} rejected {type_url.rpartition('.')[2]}: {self.reason}")


@dataclass(slots=True)
class _Subscription:
    """The state of one resource type on one stream."""

    names: frozenset[str] = frozenset()
    requested: bool = False
    sent: Resources | None = None
    nonce: str = ""
    acknowledged: bool = True
    rejection: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def signal(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Session:
    """A connected proxy; `send` gets each response, and None to end the stream."""

    def __init__(self, proxy: str, snapshot: Snapshot, send: Callable[[Message | None], None]) -> None:
        self.proxy = proxy
        self._snapshot = snapshot
        self._send = send
        self._nonces = 0
        self._subscriptions: dict[str, _Subscription] = {}
        self._rejected = asyncio.Event()
        self._rejection: RejectedError | None = None

    def receive(self, request: Message) -> None:
        """Handles one DiscoveryRequest: a subscription, an ACK or a NACK."""
        type_url: str = getattr(request, "type_url")  # noqa: B009 - dynamic messages have no typed fields
        names = frozenset(getattr(request, "resource_names"))  # noqa: B009
        nonce: str = getattr(request, "response_nonce")  # noqa: B009
        subscription = self._subscription(type_url)
        if nonce and nonce != subscription.nonce:
            return  # about a response that a newer one has replaced
        if nonce:
            error = getattr(request, "error_detail")  # noqa: B009
            subscription.rejection = error.message if request.HasField("error_detail") else ""
            subscription.acknowledged = not subscription.rejection
            if subscription.rejection:
                self._rejection = RejectedError(self.proxy, type_url, subscription.rejection)
                self._rejected.set()
        is_new = not subscription.requested or names != subscription.names
        subscription.names, subscription.requested = names, bool(names) or type_url in _WILDCARD
        if not subscription.requested:
            # the proxy does not acknowledge a type that it has unsubscribed from
            subscription.sent, subscription.acknowledged, subscription.rejection = None, True, ""
        elif is_new:
            self._respond(type_url)
        subscription.signal()

    async def push(self, type_url: str, resources: Resources, *, again: bool = False) -> None:
        """Sends a type's resources if they differ from what was sent (or `again`), and waits for the ACK.

        Resources of a type that the proxy has not requested yet are kept and sent on request. Raises
        RejectedError.
        """
        self.send(type_url, resources, again=again)
        if self._subscription(type_url).requested:
            await self.settled(type_url)

    def send(self, type_url: str, resources: Resources, *, again: bool = False) -> None:
        """Sends a type's resources without waiting for the ACK."""
        is_known = resources is self._snapshot.of(type_url)
        self._snapshot = self._snapshot.with_resources(type_url, resources)
        subscription = self._subscription(type_url)
        if not subscription.requested or (is_known and not again):
            return
        wanted, sent = self._wanted(type_url), subscription.sent
        if again:
            self._respond(type_url)
        elif wanted != sent:
            # the answer to a response that is replaced is ignored, so its content is sent again
            if sent is None or type_url in _WILDCARD or not subscription.acknowledged:
                self._respond(type_url)
            elif changed := [name for name, value in wanted.items() if sent.get(name) != value]:
                self._respond(type_url, changed)

    async def settled(self, type_url: str) -> None:
        """Waits until the last response of a type is acknowledged. Raises RejectedError."""
        subscription = self._subscription(type_url)
        while not subscription.acknowledged and not subscription.rejection:
            await subscription.changed.wait()
        if subscription.rejection:
            raise RejectedError(self.proxy, type_url, subscription.rejection)

    def end(self) -> None:
        """Ends the stream after the responses already sent; a proxy that keeps running will reconnect."""
        self._send(None)

    async def rejection(self) -> RejectedError:
        """Waits for the first NACK of any type."""
        await self._rejected.wait()
        assert self._rejection is not None  # noqa: S101 - for the type checker: set before the event
        return self._rejection

    async def subscribed(self, type_url: str, names: frozenset[str]) -> None:
        """Waits until the proxy has requested these resources of a type."""
        subscription = self._subscription(type_url)
        while not names <= subscription.names:
            await subscription.changed.wait()

    def acknowledged(self, type_url: str) -> bool:
        """Whether the proxy has requested a type and acknowledged its current resources."""
        subscription = self._subscription(type_url)
        return subscription.acknowledged and subscription.requested

    def _subscription(self, type_url: str) -> _Subscription:
        return self._subscriptions.setdefault(type_url, _Subscription())

    def _wanted(self, type_url: str) -> Resources:
        known = self._snapshot.of(type_url)
        if type_url in _WILDCARD:
            return known
        names = self._subscription(type_url).names
        return known.of_names(names)

    def _respond(self, type_url: str, names: Iterable[str] | None = None) -> None:
        """Sends the resources with these names, or all."""
        wanted = self._wanted(type_url)
        values = wanted.values() if names is None else [wanted[name] for name in names]
        subscription = self._subscription(type_url)
        self._nonces += 1
        subscription.sent, subscription.nonce = wanted, str(self._nonces)
        subscription.acknowledged, subscription.rejection = False, ""
        self._send(
            message_class(_RESPONSE)(
                version_info=wanted.version,
                type_url=type_url,
                nonce=subscription.nonce,
                resources=[{"type_url": type_url, "value": value} for value in values],
            )
        )


def eds_names(snapshot: Snapshot) -> frozenset[str]:
    """The clusters of a snapshot whose endpoints the proxy will request."""
    return frozenset(snapshot.of(ENDPOINTS)) & frozenset(snapshot.of(CLUSTER))
