"""Calls to another service: they propagate headers, have a deadline, and record who answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from prometheus_client import Counter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)

from services.chassis import hop, request_context
from services.chassis.application import Chassis
from services.chassis.local_reply import local_reply
from services.chassis.problem import Problem

_OUTCOMES = ("answered", "failed", "timeout", "unreachable")


class Upstream:
    """The calls to one upstream: `logic.post("/path", {...})` returns a 2xx answer or raises a Problem.

    It sends the propagated headers of the current request, has a deadline, and uses the proxy that HTTP_PROXY
    names. It never sends a request twice: retries are the mesh's job. Connections stay open. One that the
    peer closed while it was idle is detected and replaced before use; one that closes while a request is sent
    fails that request with 502, because the upstream may already have processed it.
    """

    def __init__(self, name: str, base: str, *, seconds: float, caller: Chassis) -> None:
        self.name = name
        self.base = base
        self.seconds = seconds
        self._caller = caller
        self._headers = {
            "User-Agent": f"{caller.service}/{caller.settings.version}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        self._outcomes: dict[str, Counter] = caller.metrics.outcomes(
            "sentimesh_upstream_requests",
            "Requests sent to an upstream, by how they ended.",
            *_OUTCOMES,
            upstream=name,
        )
        proxy = _proxy_of(base)
        self._pool = _pool(base, proxy, connections=caller.settings.threads)
        # A proxy gets the whole URL, except for https, which it does not see.
        self._prefix = base if proxy and base.startswith("http:") else urlsplit(base).path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def post(self, path: str, document: Mapping[str, object]) -> BaseHTTPResponse:
        """Returns the 2xx answer to `document` as JSON; raises a Problem (502 or 504) otherwise."""
        own = request_context.current()
        began = perf_counter()
        try:
            with self._caller.client_span("POST", self.base + path) as trace_context:
                answer = self._pool.urlopen(
                    "POST",
                    self._prefix + path,
                    body=json.dumps(document),
                    headers={**self._headers, **own.headers, **trace_context},
                    timeout=self.seconds,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,  # a proxy's pool gets the URLs of other hosts
                )
        except HTTPError as error:
            own.note(upstream_error=repr(error))
            raise self._unanswered(error) from None
        hops = hop.elements(answer.headers.get(hop.HEADER))
        own.upstream.extend(hops)
        if not 200 <= answer.status < 300:
            self._outcomes["failed"].inc()
            raise self._failed(answer, hops, perf_counter() - began)
        self._outcomes["answered"].inc()
        return answer

    def problem(
        self, status: int, detail: str, answer: BaseHTTPResponse | None = None, *, proxy: str | None = None
    ) -> Problem:
        """The Problem to raise about this upstream: because of `answer`, or because none came.

        Its member `upstream` has the status of the answer. `answered_by` says who gave it: an element of
        `served-by`, or `proxy`, the service whose sidecar did.
        """
        upstream = {"service": self.name, "status": None if answer is None else answer.status}
        hops = [] if answer is None else hop.elements(answer.headers.get(hop.HEADER))
        answered_by = f"sidecar proxy of {proxy}" if proxy else next(iter(hops), None)
        return Problem(status, detail, upstream=upstream, answered_by=answered_by)

    def _failed(self, answer: BaseHTTPResponse, hops: Sequence[str], seconds: float) -> Problem:
        """The Problem about an answer that is not a success: of the upstream, or of a proxy on the way."""
        # A proxy's own deadline ends in a 504: the upstream was too slow, not broken.
        status = 504 if answer.status == 504 else 502
        if hops:
            service, version, pod = hops[0].partition(";")[0].split("/")
            detail = f"{service} {version} (pod {pod}) answered {answer.status}."
            return self.problem(status, detail, answer)
        reply = local_reply(
            answer.status,
            answer.data.decode(errors="replace"),
            answer.headers,
            caller=self._caller.service,
            upstream=self.name,
            seconds=seconds,
        )
        if reply is None:
            answered = f"{self.base} answered {answer.status} without {hop.HEADER}"
            return self.problem(status, f"{answered}, so it may not be {self.name}.", answer)
        return self.problem(status, reply.detail, answer, proxy=reply.proxy)

    def _unanswered(self, error: HTTPError) -> Problem:
        """The Problem about a request that got no complete answer."""
        caller = self._caller.service
        # urllib3 counts a refused connection as one that was not established in time.
        timed_out = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
        if timed_out and not isinstance(error, NewConnectionError):
            self._outcomes["timeout"].inc()
            detail = f"{self.name} did not answer within {self.seconds:g} seconds, the deadline of {caller}"
            return self.problem(504, f"{detail}. It may have received the request.")
        self._outcomes["unreachable"].inc()
        if isinstance(error, ProxyError):
            detail = f"The proxy of {caller} accepts no connection"
            return self.problem(502, f"{detail}. {self.name} did not receive the request.")
        if isinstance(error, NewConnectionError):
            return self.problem(502, f"{self.base} accepts no connection.")
        detail = "The connection closed before a complete answer"
        return self.problem(502, f"{detail}. {self.name} may have received the request.")


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for this URL, such as the sidecar."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _pool(base: str, proxy: str | None, *, connections: int) -> HTTPConnectionPool:
    """A pool of connections to an upstream, or to the proxy in front of it: one for each thread."""
    if proxy is None:
        return PoolManager(maxsize=connections).connection_from_url(base)
    # By default, urllib3 leaves Nagle's algorithm enabled for proxies: headers and body are sent as two
    # packets, and the second waits for the acknowledgement of the first, which the peer delays by 40 ms.
    manager = ProxyManager(proxy, maxsize=connections, socket_options=HTTPConnection.default_socket_options)
    return manager.connection_from_url(base)
