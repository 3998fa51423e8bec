"""The options of `loadgen run`: which requests to send, how many, and how fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from loadgen.errors import UsageError
from loadgen.http1 import Limits, Request
from loadgen.measurement.pacing import Traffic
from loadgen.measurement.sentiment import PATH, sentiment_requests

DEFAULT_RATE = 50.0
DEFAULT_SECONDS = 30.0
MAX_CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The given options, None for those that are not given. Times are in seconds."""

    rate: float | None = None
    concurrency: int | None = None
    duration: float | None = None
    requests: int | None = None
    connections: int | None = None
    timeout: float = 10.0
    method: str | None = None
    path: str | None = None
    body: str | None = None
    headers: tuple[str, ...] = ()
    all_good: bool = False

    def __post_init__(self) -> None:
        if self.rate is not None and self.concurrency is not None:
            raise UsageError(
                "--rate (open loop) and --concurrency (closed loop) cannot be combined; remove one"
            )
        if self.concurrency is not None and self.connections is not None:
            raise UsageError(
                "--connections is for --rate only; a closed loop opens --concurrency connections"
            )

    def to_send(self, url: str) -> tuple[Request, ...]:
        """The requests to send in rotation: the given one, or the sentences without path, method and body.

        A slash after the host, and a query, count as a path of the URL.
        """
        parts = urlsplit(url)
        in_url = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path
        path = in_url if self.path is None else self.path
        headers = tuple(_header(line) for line in self.headers)
        if self.method is None and self.body is None and path in {"", PATH}:
            return tuple(replace(one, headers=one.headers + headers) for one in sentiment_requests())
        body = _body(self.body)
        return (Request(self.method or ("POST" if body else "GET"), path or "/", headers, body),)

    def traffic(self, requests: tuple[bytes, ...]) -> Traffic:
        """The traffic of these encoded requests, with the rate and the end that the options define."""
        rate = DEFAULT_RATE if self.rate is None and self.concurrency is None else self.rate
        connections = self.concurrency or self.connections or MAX_CONNECTIONS
        endless = self.duration is None and self.requests is None
        limits = Limits(connections, request_seconds=self.timeout, connect_seconds=min(5.0, self.timeout))
        return Traffic(requests, limits, self.requests, DEFAULT_SECONDS if endless else self.duration, rate)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise UsageError(f'-H "{line}" is not a header, expected "name: value"')
    return name.strip(), value.strip()


def _body(given: str | None) -> bytes:
    if given is None or not given.startswith("@"):
        return (given or "").encode()
    try:
        return Path(given[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"--body {given}: {error.strerror}") from error
