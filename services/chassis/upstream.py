"""Calls to another service: a `requests` session that carries on what came in and remembers who answered."""

from __future__ import annotations

from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from prometheus_client import Counter
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from services.chassis import hop, request_context
from services.chassis.application import Chassis
from services.chassis.problem import Problem

_OUTCOMES = ("answered", "failed", "timeout", "unreachable")


class Upstream(requests.Session):
    """A session for one upstream: `logic.post("/path", json=...)` returns a 2xx answer or raises a Problem.

    It carries the headers of the request being served, has a deadline, and goes through the proxy that
    HTTP_PROXY names. Nothing is ever sent twice: retries are the mesh's job. Connections stay open. One
    that the other side has closed meanwhile is noticed before it is used, and replaced; one that closes in
    the moment of sending fails the request with 502, because nobody knows whether it was served.
    """

    def __init__(self, name: str, base: str, *, seconds: float, caller: Chassis) -> None:
        super().__init__()
        self.headers["User-Agent"] = f"{caller.service}/{caller.settings.version}"
        self.name = name
        self.base = base
        self.seconds = seconds
        self._outcomes: dict[str, Counter] = caller.metrics.outcomes(
            "sentimesh_upstream_requests",
            "Requests sent to an upstream, by how they ended.",
            *_OUTCOMES,
            upstream=name,
        )
        # The environment is asked once, here: requests would read proxies and .netrc anew for every request.
        self.proxies.update(get_environ_proxies(base))
        self.trust_env = False
        # Otherwise a cookie that a proxy sets for one user goes out with the next user's request.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._blank = lru_cache(maxsize=64)(self._prepare_blank)
        # A connection for every thread: with fewer, those above are opened and thrown away at each request.
        self.mount(base, _Adapter(pool_connections=1, pool_maxsize=caller.settings.threads, max_retries=0))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """The 2xx answer to a request for the path `url`; for any other a Problem with status 502 or 504."""
        own = request_context.current()
        kwargs["headers"] = {**own.headers, **(kwargs.get("headers") or {})}
        kwargs.setdefault("timeout", self.seconds)
        kwargs["allow_redirects"] = False
        try:
            path = url if isinstance(url, str) else url.decode()
            response = super().request(method, self.base + path, *args, **kwargs)
        except requests.RequestException as error:
            own.note(upstream_error=repr(error))
            raise self._unanswered(error) from None
        own.upstream.extend(hop.elements(response.headers.get(hop.HEADER)))
        if not 200 <= response.status_code < 300:
            self._outcomes["failed"].inc()
            # A proxy's own deadline ends in a 504 of its own: the upstream was too slow then, not broken.
            status = 504 if response.status_code == 504 else 502
            raise self.problem(status, f"{self.name} answered {response.status_code}.", response.status_code)
        self._outcomes["answered"].inc()
        return response

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """`request` ready to be sent; address and session headers are worked out once for each path.

        Doing that anew for every request costs 0.12 ms of CPU, a third of the whole call.
        """
        if request.params or request.auth or request.cookies:
            return super().prepare_request(request)
        prepared = self._blank(str(request.method), str(request.url)).copy()
        prepared.headers.update(request.headers)
        prepared.prepare_body(request.data, request.files, request.json)
        return prepared

    def problem(self, status: int, detail: str, upstream_status: int | None) -> Problem:
        """The Problem to raise about this upstream; `upstream_status` is what it answered, if anything."""
        return Problem(status, detail, upstream={"service": self.name, "status": upstream_status})

    def _prepare_blank(self, method: str, url: str) -> requests.PreparedRequest:
        return super().prepare_request(requests.Request(method, url))

    def _unanswered(self, error: requests.RequestException) -> Problem:
        """The Problem about a request that got no whole answer."""
        cause = error.args[0] if error.args else None
        # An answer that stops halfway is a ConnectionError to requests, whatever stopped it.
        if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            self._outcomes["timeout"].inc()
            return self.problem(504, f"{self.name} did not answer within {self.seconds:g} seconds.", None)
        self._outcomes["unreachable"].inc()
        if isinstance(error, requests.exceptions.ProxyError):
            return self.problem(502, f"The proxy in front of {self.name} takes no connection.", None)
        if isinstance(getattr(cause, "reason", None), NewConnectionError):
            return self.problem(502, f"{self.name} takes no connection.", None)
        return self.problem(502, f"{self.name} ended the connection without an answer.", None)


class _Adapter(HTTPAdapter):
    """Sends what is small at once, through a proxy too.

    urllib3 leaves Nagle's algorithm on towards proxies: headers and body go out as two packets, the second
    waits for the first one's acknowledgement, and the other side delays that by 40 ms, in every request.
    """

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The pool towards a proxy."""
        kwargs["socket_options"] = HTTPConnection.default_socket_options
        return super().proxy_manager_for(proxy, **kwargs)
