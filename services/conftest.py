"""Fixtures for the tests of all services."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import settings

from services.testing import Launcher, Recorder

# How long an example takes says nothing on a machine that does other work as well.
settings.register_profile("services", deadline=None)
settings.load_profile("services")


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    """`launch("logic", FAULT_ERROR_PERCENT=33)` starts a service and waits until it is ready."""
    with Launcher(tmp_path) as launcher:
        yield launcher


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """An upstream on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            recording.received.append((self.command, self.path, headers, body))
            time.sleep(recording.delay)
            with suppress(ConnectionError):  # who asked may be gone by now
                self.answer()

        def answer(self) -> None:
            """Send the configured answer."""
            self.send_response(recording.status)
            for name, value in {"Content-Type": "application/json", **recording.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(recording.body)))
            self.end_headers()
            self.wfile.write(recording.body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recording = Recorder(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield recording
    server.shutdown()
    server.server_close()
    thread.join()
