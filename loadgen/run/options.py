"""What the options of `loadgen run` mean: which requests, how many, how fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from loadgen.errors import UsageError
from loadgen.http1 import Limits, Request
from loadgen.measurement.pacing import Traffic
from loadgen.measurement.sentiment import PATH, sentiment_requests

USUAL_RATE = 50.0
USUAL_SECONDS = 30.0
MOST_CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options as given; None where one was not. Times in seconds."""

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
            raise UsageError("--rate (open loop) and --concurrency (closed loop) exclude each other")
        if self.concurrency is not None and self.connections is not None:
            raise UsageError("--connections is for --rate; a closed loop opens as many as --concurrency says")

    def to_send(self, url: str) -> tuple[Request, ...]:
        """The request asked for; the sentences in rotation if neither path, method nor body is.

        A URL names a path also by a slash alone at its end, and by a query.
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
        """The requests, encoded, at the pace and up to the end that the options ask for."""
        rate = USUAL_RATE if self.rate is None and self.concurrency is None else self.rate
        connections = self.concurrency or self.connections or MOST_CONNECTIONS
        endless = self.duration is None and self.requests is None
        limits = Limits(connections, request_seconds=self.timeout, connect_seconds=min(5.0, self.timeout))
        return Traffic(requests, limits, self.requests, USUAL_SECONDS if endless else self.duration, rate)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise UsageError(f'-H "{line}": a header looks like "name: value"')
    return name.strip(), value.strip()


def _body(given: str | None) -> bytes:
    if given is None or not given.startswith("@"):
        return (given or "").encode()
    try:
        return Path(given[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"--body {given}: {error.strerror}") from error
