"""Helpers for the tests of the services: running workloads, a recording upstream, waiting."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
import requests

ROOT = Path(__file__).parents[1]
SERVICES = tuple(sorted(path.parent.name for path in ROOT.glob("services/*/app.py")))
"""The names of all services."""

# Below the ports that localmesh gives to its pods, and the kernel to outgoing connections.
_PORTS = range(10_000, 20_000)


def poll_until(condition: Callable[[], object], what: str, seconds: float = 15) -> None:
    """Wait until `condition` holds; fails the test if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not reached within {seconds} seconds")
        time.sleep(0.01)


def free_port() -> int:
    """A free port, from a range that is not used for other purposes."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(frozen=True, slots=True)
class Workload:
    """A service that runs as in its container: gunicorn with the environment of a Deployment."""

    process: subprocess.Popen[bytes]
    port: int
    metrics_port: int
    log_file: Path

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """The answer of the service, over a new connection."""
        options.setdefault("timeout", 15)
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Connection"] = "close"
            return session.request(method, f"http://127.0.0.1:{self.port}{path}", **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """The answer to GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        """The answer to POST."""
        return self.request("POST", path, **options)

    def metrics(self) -> str:
        """The text of `/metrics`."""
        answer = requests.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=15)
        answer.raise_for_status()
        return answer.text

    def metric(self, sample: str) -> float:
        """The value of a sample in exposition format; 0 if it is missing."""
        sample_match = re.search(rf"^{re.escape(sample)} (\S+)$", self.metrics(), re.MULTILINE)
        return float(sample_match[1]) if sample_match else 0.0

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log so far; fails on a line that is not JSON."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    def is_ready(self) -> bool:
        """Whether `/readyz` succeeds; fails the test if the process has exited."""
        if self.process.poll() is not None:
            pytest.fail(self.log_file.read_text())
        try:
            # Only its own log tells it from another service that took the port first.
            return "Listening at" in self.log_file.read_text() and self.get("/readyz").ok
        except requests.ConnectionError:
            return False

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(sent)
        return self.process.wait(30)


def command(service: str) -> list[str]:
    """The command of a container in k8s/base."""
    gunicorn = [sys.executable, "-m", "gunicorn"]
    return [
        *gunicorn,
        "--config",
        "python:services.chassis.gunicorn_config",
        f"services.{service}.app:create_app()",
    ]


def environment(tmp_path: Path, **variables: object) -> dict[str, str]:
    """The environment of a pod on this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    pod = {"HOST": "127.0.0.1", "DATA_DIR": str(tmp_path / "data"), "NO_PROXY": "127.0.0.1"}
    return {**kept, **pod, **{name: str(value) for name, value in variables.items()}}


class Launcher:
    """Starts services as local processes, and stops them all at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Workload] = []

    def __call__(self, service: str, *, wait: bool = True, **variables: object) -> Workload:
        """Start a service with these environment variables and, by default, `wait` until it is ready."""
        ports = {"PORT": free_port(), "METRICS_PORT": free_port()}
        pod = {"POD_NAME": f"{service}-pod", **ports, **variables}
        log_file = self._folder / f"{service}-{len(self._started)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command(service), cwd=ROOT, env=environment(self._folder, **pod), stdout=log, stderr=log
            )
        workload = Workload(process, ports["PORT"], ports["METRICS_PORT"], log_file)
        self._started.append(workload)
        if wait:
            poll_until(workload.is_ready, f"{service} to be ready")
        return workload

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all of them."""
        for workload in self._started:
            workload.process.terminate()
        for workload in self._started:
            workload.process.wait(30)


@dataclass(slots=True)
class Recorder:
    """An upstream that records requests and gives the configured answer; also usable as an HTTP proxy."""

    url: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"sentence": "x", "polarity": 0.5}'
    delay: float = 0.0
    received: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, status: int, body: bytes | None = None, **headers: str) -> None:
        """Set the answer; underscores in header names become dashes."""
        self.status = status
        self.body = self.body if body is None else body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def last_headers(self) -> Mapping[str, str]:
        """The headers of the last request, with names in lower case."""
        return self.received[-1][2]
