"""The second port: `/metrics` from a thread of its own, so that it answers while every other thread hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

PATH = "/metrics"


class _Handler(WSGIRequestHandler):
    # Scrapes are answered one after the other: whoever connects and says nothing is cut off.
    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
        """Log nothing: scrapes are no news."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for metrics; raises OSError where the port is taken."""
    return socket.create_server((host, port), backlog=16)


def serve(listener: socket.socket, registry: CollectorRegistry) -> None:
    """Answer `GET /metrics` on `listener` from a thread that ends with the process."""
    metrics = make_wsgi_app(registry)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"Only {PATH} is served here.\n".encode()]
        answer: Iterable[bytes] = metrics(environ, start_response)
        return answer

    address = listener.getsockname()
    server = WSGIServer(address, _Handler, bind_and_activate=False)
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
