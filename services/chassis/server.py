"""Extensions of gunicorn for this application: serving, stopping, rejecting malformed requests, logging."""

from __future__ import annotations

import math
import select
import signal
import threading
import time
from queue import SimpleQueue
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from services.chassis import logs, problem
from services.chassis.application import Chassis, chassis_of
from services.chassis.hop import HEADER, served_by

_WAIT_MILLISECONDS = 20
_HEARTBEAT_SECONDS = 30
"""How long the loop may take for one pass; it waits for events for a second, and no request can block it."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """Serves requests in threads, drains before it stops, and rejects malformed requests with a problem."""

    received: SimpleQueue[int]
    """The signals that gunicorn has received before this worker handles them."""
    _heartbeat = math.inf

    def notify(self) -> None:
        """Remember that the loop runs."""
        self._heartbeat = time.monotonic()

    def is_alive(self) -> bool:
        """Whether the loop has run lately; before it starts, it counts as alive."""
        return time.monotonic() - self._heartbeat < _HEARTBEAT_SECONDS

    def is_parent_alive(self) -> bool:
        """The parent is not gunicorn, and may end as it likes."""
        return True

    def init_signals(self) -> None:
        """Handle signals from now on, and a SIGTERM that came before."""
        super().init_signals()
        while not self.received.empty():
            if self.received.get() == signal.SIGTERM:
                self.handle_exit(signal.SIGTERM, None)

    @property
    def chassis(self) -> Chassis:
        """The chassis of the application that this worker serves."""
        return chassis_of(self.app.wsgi())

    def handle(self, conn: TConn) -> object:
        """Serve `conn`, then wait briefly for its next request, which a proxy often sends at once.

        Returning the connection to the worker's loop and taking it again costs 0.15 to 0.2 ms of CPU per
        request, half of the total cost of a small answer. As long as there is a thread for every connection,
        no other connection has to wait for this thread.
        """
        keep = super().handle(conn)
        while keep is True and self.alive and self.nr_conns <= self.cfg.threads and _has_request(conn):
            keep = super().handle(conn)
        return keep

    def handle_exit(self, sig: int, frame: object) -> None:
        """On SIGTERM: fail readiness, keep serving for the delay, then finish the requests in progress."""
        # A signal may interrupt code that holds a lock, so the loop does the rest.
        self.method_queue.defer(self._begin_shutdown, sig, frame)

    def _begin_shutdown(self, sig: int, frame: object) -> None:
        chassis = self.chassis
        if chassis.readiness.stopping:
            return
        chassis.readiness.stopping = True
        # The loop continues meanwhile: clients that do not know yet that this pod is stopping are served.
        delay = chassis.settings.shutdown_delay_seconds
        drain = threading.Timer(delay, self.method_queue.defer, (self._drain, sig, frame))
        drain.daemon = True
        drain.start()

    def _drain(self, sig: int, frame: object) -> None:
        """Accept the connections that are waiting, and refuse new ones, so that clients try another pod.

        gunicorn would keep the port open without accepting: connections would be established, wait, and be
        reset at the end. A proxy does not retry these, but it does retry a refused connection.
        """
        for listener in self.sockets:
            backlog = select.poll()
            backlog.register(listener, select.POLLIN)
            for _ in range(self.cfg.backlog):
                if not backlog.poll(0):
                    break
                self.accept(listener)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        super().handle_exit(sig, frame)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request with a problem; gunicorn chooses the status and logs as usual."""
        answer = _StatusRecorder()
        super().handle_error(req, answer, addr, exc)
        service = self.chassis.service
        detail = "The request is not valid HTTP; the log of the service has the reason."
        body = problem.document(answer.status, detail, {"service": service, "request_id": None}).encode()
        head = (
            f"HTTP/1.1 {answer.status} {problem.title(answer.status)}\r\n"
            f"Connection: close\r\n"
            f"Content-Type: {problem.MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"{HEADER}: {served_by(self.chassis.hop())}\r\n\r\n"
        )
        client.sendall(head.encode() + body)


def _has_request(conn: TConn) -> bool:
    """Whether the next request on this connection has arrived, or arrives within the wait."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(_WAIT_MILLISECONDS))


class _StatusRecorder:
    """Replaces the connection of a client, and records the status that gunicorn writes to it."""

    status = 400

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.status = int(data.split(b" ", 2)[1])


class Logger(GunicornLogger):  # type: ignore[misc]
    """Writes gunicorn's messages in our log format; the application replaces the access log."""

    def setup(self, cfg: Config) -> None:
        """Configure logging for the whole process."""
        self.cfg = cfg
        self._access_log_enabled = False
        logs.configure(cfg.loglevel)
        self.error_log.propagate = True

    def access(self, *_: object) -> None:
        """Write nothing."""
