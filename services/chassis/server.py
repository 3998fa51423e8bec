"""What gunicorn does differently for this application: how it serves, stops, refuses and logs."""

from __future__ import annotations

import select
import threading
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from services.chassis import logs, problem
from services.chassis.application import Chassis, chassis_of
from services.chassis.hop import HEADER, served_by

_STAY_MILLISECONDS = 20


class Worker(ThreadWorker):  # type: ignore[misc]
    """Threads that serve requests, stop in order, and refuse what is not HTTP with a problem."""

    @property
    def chassis(self) -> Chassis:
        """What belongs to the application this worker serves."""
        return chassis_of(self.app.wsgi())

    def handle(self, conn: TConn) -> object:
        """Serve `conn`, and stay with it for a moment: a proxy mostly sends its next request right away.

        Handing the connection back to the worker's loop and taking it again costs 0.15 to 0.2 ms of CPU for
        every request, half of what a small answer takes in all. As long as there is a thread for every
        connection, nobody waits for a thread that stays.
        """
        keep = super().handle(conn)
        while keep is True and self.alive and self.nr_conns <= self.cfg.threads and _speaks(conn):
            keep = super().handle(conn)
        return keep

    def handle_exit(self, sig: int, frame: object) -> None:
        """On SIGTERM: fail readiness, serve on for the delay, then finish what has begun and no more."""
        # A signal may interrupt anything, also what holds a lock: the loop does the rest, in its own time.
        self.method_queue.defer(self._leave, sig, frame)

    def _leave(self, sig: int, frame: object) -> None:
        chassis = self.chassis
        if chassis.readiness.stopping:
            return
        chassis.readiness.stopping = True
        # The loop goes on meanwhile: whoever has not heard yet that this pod leaves is served.
        delay = chassis.settings.shutdown_delay_seconds
        drain = threading.Timer(delay, self.method_queue.defer, (self._drain, sig, frame))
        drain.daemon = True
        drain.start()

    def _drain(self, sig: int, frame: object) -> None:
        """Accept who has connected already, and refuse all others, so that they ask elsewhere.

        gunicorn would leave the port open without accepting: connections would come about, wait, and be reset
        in the end, which a proxy does not retry as it does a refused one.
        """
        for listener in self.sockets:
            waiting = select.poll()
            waiting.register(listener, select.POLLIN)
            for _ in range(self.cfg.backlog):
                if not waiting.poll(0):
                    break
                self.accept(listener)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        super().handle_exit(sig, frame)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no HTTP request: gunicorn decides and logs as ever, only the form is ours."""
        refusal = _Refusal()
        super().handle_error(req, refusal, addr, exc)
        service = self.chassis.service
        detail = "The request cannot be read as HTTP; the log of the service says why."
        body = problem.document(refusal.status, detail, {"service": service, "request_id": None}).encode()
        head = (
            f"HTTP/1.1 {refusal.status} {problem.title(refusal.status)}\r\n"
            f"Connection: close\r\n"
            f"Content-Type: {problem.MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"{HEADER}: {served_by(self.chassis.hop())}\r\n\r\n"
        )
        client.sendall(head.encode() + body)


def _speaks(conn: TConn) -> bool:
    """Whether the next request on this connection is there, or comes within a moment."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(_STAY_MILLISECONDS))


class _Refusal:
    """Stands in for a client's connection, and keeps the status of what gunicorn writes to it."""

    status = 400

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.status = int(data.split(b" ", 2)[1])


class Logger(GunicornLogger):  # type: ignore[misc]
    """Gunicorn's messages in the form of all others; no access log of its own, the application has one."""

    def setup(self, cfg: Config) -> None:
        """Take over logging for the whole process."""
        self.cfg = cfg
        self._access_log_enabled = False
        logs.configure(cfg.loglevel)
        self.error_log.propagate = True

    def access(self, *_: object) -> None:
        """Write nothing."""
