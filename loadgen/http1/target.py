"""The target of requests: host, port and address."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from loadgen.errors import NotReachable, UsageError
from loadgen.http1.loss import Loss, loss_of_connecting


@dataclass(frozen=True, slots=True)
class Target:
    """A server; `address` is the IP address to connect to, by default that of `host`."""

    host: str
    port: int
    address: str | None = None

    @classmethod
    def from_url(cls, url: str) -> Target:
        """The target of a URL, without its path and query."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UsageError(f'"{url}" is not a URL: {error}') from error
        if parts.scheme != "http" or not parts.hostname:
            raise UsageError(f'"{url}" is not an address to send to, expected http://HOST[:PORT][/PATH]')
        if parts.username is not None:
            raise UsageError(
                f'"{parts.hostname}": a user in the URL is not supported; use -H "authorization: …"'
            )
        return cls(parts.hostname, port or 80)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of the target, for messages."""
        return f"http://{self.authority}"

    @property
    def connect_to(self) -> str:
        """The host name or address to connect to."""
        return self.address or self.host


async def reach(target: Target, *, within_seconds: float = 5.0) -> Target:
    """Returns the target with the first of its addresses that accepts a connection.

    So later connections need no DNS lookup. Raises NotReachable with the kind of the last failure.
    """
    loop = asyncio.get_running_loop()
    try:
        resolved = await loop.getaddrinfo(target.connect_to, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _not_reachable(target, Loss.DNS) from error
    failure: OSError | None = None
    for address in dict.fromkeys(str(info[4][0]) for info in resolved):
        try:
            async with asyncio.timeout(within_seconds):
                _, writer = await asyncio.open_connection(address, target.port)
        except OSError as error:
            failure = error
            continue
        writer.close()
        await writer.wait_closed()
        return replace(target, address=address)
    raise _not_reachable(target, loss_of_connecting(failure or OSError())) from failure


def _not_reachable(target: Target, loss: Loss) -> NotReachable:
    return NotReachable(f"{target.url} is not reachable: {loss.meaning} ({loss})")
