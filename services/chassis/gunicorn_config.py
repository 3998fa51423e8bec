"""Gunicorn's settings: `gunicorn --config python:services.chassis.gunicorn_config APPLICATION`."""

from __future__ import annotations

import gc
import math
import os
import socket
from pathlib import Path

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from services.chassis import metrics_server, server
from services.chassis.settings import Settings, SettingsError


def _settings() -> Settings:
    try:
        return Settings.from_environment(os.environ)
    except SettingsError:
        # The application is loaded next, before any port is opened, and names every bad variable.
        return Settings()


settings = _settings()

bind = f"{settings.host}:{settings.port}"
worker_class = server.Worker
workers = 1  # More would share neither counters nor connections; a pod scales by replicas.
threads = settings.threads
preload_app = True  # The worker shares the memory of what is loaded before it is forked.

# A proxy keeps idle connections for up to an hour, and it must be the one to close them: if the service
# did, a request sent in that moment would fail, and the mesh retries no such failure.
keepalive = 3700

graceful_timeout = math.ceil(settings.shutdown_delay_seconds + settings.drain_seconds)
timeout = 30  # Without a sign of life from the worker's loop, which no request can block.
# Signs of life are written to a file (unlinked at once): in memory, since a disk may be slow or read-only.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

# Whatever an Envoy lets through by default (60 KiB of headers, 100 of them and its own) is let in here, too.
limit_request_field_size = 60 * 1024
limit_request_fields = 150
limit_request_line = 8190

# No header of a client decides what this server believes of the connection.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

logger_class = server.Logger
loglevel = settings.log_level
control_socket_disable = True

_metrics: list[socket.socket] = []


def on_starting(arbiter: Arbiter) -> None:
    """Take the metrics port before anything is served: a port that is taken ends the start, and says so."""
    try:
        _metrics.append(metrics_server.listen(settings.host, settings.metrics_port))
    except OSError as error:
        arbiter.log.error("METRICS_PORT %d on %s: %s", settings.metrics_port, settings.host, error.strerror)
        raise SystemExit(1) from None


def pre_fork(_: Arbiter, __: server.Worker) -> None:
    """Let the garbage collector leave alone what is loaded, or its marks copy all of it into the worker."""
    gc.collect()
    gc.freeze()


def worker_exit(_: Arbiter, worker: server.Worker) -> None:
    """Let go of connections and send what is left to send, after the last request."""
    worker.chassis.resources.close()


def post_worker_init(worker: server.Worker) -> None:
    """Serve metrics from inside of the worker, who counts."""
    metrics_server.serve(_metrics[0], worker.chassis.metrics.registry)
