"""The second port: `/metrics` and `/livez` from threads of their own, which answer while all others hang.

Liveness belongs here and readiness does not: a service whose threads are all taken should get no more
requests for a while, but to start it anew would throw away what it is about to answer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

PATH = "/metrics"
LIVE_PATH = "/livez"

_ALIVE = b'{"status":"alive"}\n'


class _Server(ThreadingMixIn, WSGIServer):
    # A thread for each connection: whoever connects and says nothing must not keep a probe waiting.
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds, after which whoever says nothing is cut off

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Log nothing: scrapes and probes are no news."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for metrics; raises OSError where the port is taken."""
    return socket.create_server((host, port), backlog=16)


def serve(listener: socket.socket, registry: CollectorRegistry) -> None:
    """Answer `GET /metrics` and `GET /livez` on `listener`, from threads that end with the process."""
    metrics = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == LIVE_PATH:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [_ALIVE]
        if environ["PATH_INFO"] != PATH:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"Only {PATH} and {LIVE_PATH} are served here.\n".encode()]
        answer: Iterable[bytes] = metrics(environ, start_response)
        return answer

    address = listener.getsockname()
    server = _Server(address, _Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = address[:2]
    server.setup_environ()
    server.set_app(application)
    # The interval only says how soon shutdown() would be noticed, which nothing calls: waking up costs CPU.
    loop = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 60}, name="metrics", daemon=True
    )
    loop.start()
