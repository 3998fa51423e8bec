"""The configuration of gunicorn: `gunicorn --config python:services.chassis.gunicorn_config APPLICATION`."""

from __future__ import annotations

import gc
import logging
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
        # The application is loaded next, before any port is opened, and reports every invalid variable.
        return Settings()


settings = _settings()

bind = f"{settings.host}:{settings.port}"
worker_class = server.Worker
workers = 1  # Several would not share counters and connections; scale by replicas instead.
threads = settings.threads
preload_app = True  # Errors of the application are reported before any port is opened.

# Envoy keeps idle connections for up to an hour, and it must be the one to close them: if the service did, a
# request that is sent at that moment would fail, and the mesh does not retry such a failure.
keepalive = 3700

graceful_timeout = math.ceil(settings.shutdown_delay_seconds + settings.drain_seconds)
# gunicorn creates a file for the heartbeat of a worker: in memory, because a disk may be read-only.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108

# Accept what Envoy accepts by default (60 KiB of headers; 100 headers and those it adds).
limit_request_field_size = 60 * 1024
limit_request_fields = 150
limit_request_line = 8190

# Do not trust headers of clients about the connection.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

logger_class = server.Logger
loglevel = settings.log_level
control_socket_disable = True

_metrics: list[socket.socket] = []


def on_starting(arbiter: Arbiter) -> None:
    """Open the metrics port before anything is served; if it is in use, exit with a clear error."""
    try:
        _metrics.append(metrics_server.listen(settings.host, settings.metrics_port))
    except OSError as error:
        arbiter.log.error("METRICS_PORT %d on %s: %s", settings.metrics_port, settings.host, error.strerror)
        raise SystemExit(1) from None


def pre_fork(arbiter: Arbiter, worker: server.Worker) -> None:
    """Serve in this process, instead of in a fork of it that this process only supervises.

    Whoever runs the container restarts it when the process ends or `/livez` fails. A second process would
    take a third more memory, because Python writes to most of the pages that a fork shares.
    """
    worker.pid = os.getpid()
    worker.received = arbiter.SIG_QUEUE
    gc.collect()
    gc.freeze()  # The garbage collector need not look at what is loaded once.
    with worker.chassis.resources:  # connections, and spans that are not exported yet
        worker.init_process()
    logging.shutdown()
    os._exit(0)  # Do not wait for requests that are still in progress after the time to drain.


def post_worker_init(worker: server.Worker) -> None:
    """Serve metrics and liveness."""
    metrics_server.serve(_metrics[0], worker.chassis.metrics.registry, worker.is_alive)
