"""One proxy's ADS stream: what it subscribes to, what it was sent, what it has acknowledged.

The protocol is Envoy's "xDS REST and gRPC protocol", state of the world: every response carries all
subscribed resources of its type, and the proxy answers each with an ACK or a NACK that bears its nonce.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from localmesh.errors import LocalmeshError
from localmesh.xds.messages import CLUSTER, ENDPOINTS, LISTENER, SCOPE, message_class
from localmesh.xds.snapshots import Resources, Snapshot

_WILDCARD = frozenset({CLUSTER, LISTENER, SCOPE})
_RESPONSE = "envoy.service.discovery.v3.DiscoveryResponse"


class RejectedError(LocalmeshError):
    """A proxy refused a configuration (NACK); `reason` is Envoy's own sentence."""

    def __init__(self, proxy: str, type_url: str, reason: str) -> None:
        self.proxy, self.type_url = proxy, type_url
        # Envoy may put the whole message, line by line, before its complaint
        self.reason = reason.strip().rpartition("\n")[2].removeprefix(": ")
        super().__init__(f"{proxy} refused {type_url.rpartition('.')[2]}: {self.reason}")


@dataclass(slots=True)
class _Subscription:
    """State of one resource type on one stream."""

    names: frozenset[str] = frozenset()
    requested: bool = False
    sent: Resources | None = None
    nonce: str = ""
    acknowledged: bool = True
    refusal: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def signal(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Session:
    """A connected proxy; responses are handed to `send`, and None to end the stream."""

    def __init__(self, proxy: str, snapshot: Snapshot, send: Callable[[Message | None], None]) -> None:
        self.proxy = proxy
        self._snapshot = snapshot
        self._send = send
        self._nonces = 0
        self._subscriptions: dict[str, _Subscription] = {}
        self._refused = asyncio.Event()
        self._refusal: RejectedError | None = None

    def receive(self, request: Message) -> None:
        """Takes one DiscoveryRequest: a subscription, an ACK or a NACK."""
        type_url: str = getattr(request, "type_url")  # noqa: B009 - dynamic messages have no typed fields
        names = frozenset(getattr(request, "resource_names"))  # noqa: B009
        nonce: str = getattr(request, "response_nonce")  # noqa: B009
        subscription = self._subscription(type_url)
        if nonce and nonce != subscription.nonce:
            return  # about an answer that a newer one has overtaken
        if nonce:
            error = getattr(request, "error_detail")  # noqa: B009
            subscription.refusal = error.message if request.HasField("error_detail") else ""
            subscription.acknowledged = not subscription.refusal
            if subscription.refusal:
                self._refusal = RejectedError(self.proxy, type_url, subscription.refusal)
                self._refused.set()
        is_new = not subscription.requested or names != subscription.names
        subscription.names, subscription.requested = names, bool(names) or type_url in _WILDCARD
        if not subscription.requested:
            # what nobody waits for any more is never acknowledged
            subscription.sent, subscription.acknowledged, subscription.refusal = None, True, ""
        elif is_new:
            self._respond(type_url)
        subscription.signal()

    async def push(self, type_url: str, resources: Resources, *, again: bool = False) -> None:
        """Sends a type's resources if they differ from what was sent (or `again`), and waits for the ACK.

        RejectedError if the proxy refuses them. A type that the proxy has not asked for yet is only kept: it
        will be sent on request.
        """
        self.send(type_url, resources, again=again)
        if self._subscription(type_url).requested:
            await self.settled(type_url)

    def send(self, type_url: str, resources: Resources, *, again: bool = False) -> None:
        """The same without waiting for the ACK."""
        self._snapshot = self._snapshot.with_resources(type_url, resources)
        subscription = self._subscription(type_url)
        if subscription.requested and (again or self._wanted(type_url) != subscription.sent):
            self._respond(type_url)

    async def settled(self, type_url: str) -> None:
        """Waits until the last response of a type is acknowledged; RejectedError if it is refused."""
        subscription = self._subscription(type_url)
        while not subscription.acknowledged and not subscription.refusal:
            await subscription.changed.wait()
        if subscription.refusal:
            raise RejectedError(self.proxy, type_url, subscription.refusal)

    def end(self) -> None:
        """Ends the stream, after what was sent before; a proxy that goes on will ask anew."""
        self._send(None)

    async def refusal(self) -> RejectedError:
        """Waits for the first NACK of any type."""
        await self._refused.wait()
        assert self._refusal is not None  # noqa: S101 - for the type checker: set before the event
        return self._refusal

    async def asked(self, type_url: str) -> None:
        """Waits until the proxy has asked for a type at all."""
        subscription = self._subscription(type_url)
        while not subscription.requested:
            await subscription.changed.wait()

    async def subscribed(self, type_url: str, names: frozenset[str]) -> None:
        """Waits until the proxy has asked for these resources of a type."""
        subscription = self._subscription(type_url)
        while not names <= subscription.names:
            await subscription.changed.wait()

    def acknowledged(self, type_url: str) -> bool:
        """Whether the proxy has the current resources of a type, or never asked for any."""
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

    def _respond(self, type_url: str) -> None:
        wanted = self._wanted(type_url)
        subscription = self._subscription(type_url)
        self._nonces += 1
        subscription.sent, subscription.nonce = wanted, str(self._nonces)
        subscription.acknowledged, subscription.refusal = False, ""
        self._send(
            message_class(_RESPONSE)(
                version_info=wanted.version,
                type_url=type_url,
                nonce=subscription.nonce,
                resources=[{"type_url": type_url, "value": value} for value in wanted.values()],
            )
        )


def eds_names(snapshot: Snapshot) -> frozenset[str]:
    """The clusters of a snapshot whose endpoints the proxy will ask for."""
    return frozenset(snapshot.of(ENDPOINTS)) & frozenset(snapshot.of(CLUSTER))
