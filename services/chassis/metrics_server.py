"""The second port: `/metrics` and `/livez`, served by separate threads that answer even if all others hang.

Liveness is served here and readiness is not: a service whose threads are all busy should get no more requests
for a while, but a restart would discard the requests in progress.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

PATH = "/metrics"
LIVE_PATH = "/livez"

_ALIVE, _STUCK = b'{"status":"alive"}\n', b'{"status":"stuck"}\n'


class _Server(ThreadingMixIn, WSGIServer):
    # One thread per connection, so that an idle client does not delay a probe.
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds, after which an idle client is disconnected

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Do not log scrapes and probes."""


def listen(host: str, port: int) -> socket.socket:
    """Open the socket for metrics; raises OSError if the port is in use."""
    return socket.create_server((host, port), backlog=16)


def serve(listener: socket.socket, registry: CollectorRegistry, is_alive: Callable[[], bool]) -> None:
    """Serve `GET /metrics` and `GET /livez` on `listener`, in daemon threads; 503 unless `is_alive`."""
    metrics = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == LIVE_PATH:
            alive = is_alive()
            status = "200 OK" if alive else "503 Service Unavailable"
            start_response(status, [("Content-Type", "application/json")])
            return [_ALIVE if alive else _STUCK]
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
    # The interval only affects shutdown(), which is never called; polling more often would cost CPU.
    loop = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 60}, name="metrics", daemon=True
    )
    loop.start()
