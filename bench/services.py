"""webapp beside a bare Flask application that does the same: CPU of a request, in pairs.

Both run in gunicorn with the same threads, and call the same logic with one `requests` session. The bare one
has no validation, propagation, metrics, logs or `served-by`. Linux only.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import flask
import requests

from bench.rows import Row
from services import benchmark
from services.benchmark import Measured
from services.testing import free_port

PAIRS = 4
REQUESTS = 1_000
BAR = 1.15
BARE_WHERE_BARS_WERE_SET = 1.63
"""Milliseconds of CPU for a request of the bare application on the machine of the bars in seconds."""
THREADS = 16
GIVE_UP_SECONDS = 20


def bare() -> flask.Flask:
    """The bare application, for gunicorn."""
    app = flask.Flask(__name__)
    session = requests.Session()
    session.trust_env = False
    url = f"{os.environ['LOGIC_URL']}/analyse/sentiment"

    @app.post("/sentiment")
    def sentiment() -> dict[str, object]:
        sentence = flask.request.get_json()["sentence"]
        answer = session.post(url, json={"sentence": sentence}, timeout=5)
        answer.raise_for_status()
        return {"sentence": sentence, "polarity": answer.json()["polarity"]}

    return app


def measure() -> list[Row]:
    """Send requests to both in turns."""
    with tempfile.TemporaryDirectory() as made, ExitStack() as running:
        folder = Path(made)
        logic = running.enter_context(_service("logic", folder))
        url = f"http://127.0.0.1:{logic.port}"
        webapp = running.enter_context(_service("webapp", folder, LOGIC_URL=url))
        peer = running.enter_context(_bare(folder, url))
        costs: dict[str, list[float]] = {"webapp": [], "bare": []}
        for measured in (webapp, peer):
            benchmark.load(measured, requests=200, connections=1)
        for _ in range(PAIRS):
            costs["webapp"].append(_cost(webapp))
            costs["bare"].append(_cost(peer))
        memory = {one.service: one.memory() for one in (webapp, logic)}
    ours, theirs = (statistics.median(values) for values in costs.values())
    ratio = statistics.median(a / b for a, b in zip(*costs.values(), strict=True))
    return [
        Row(
            "webapp, CPU of a request",
            f"{ours:.2f} ms",
            f"≤ {BAR} × bare Flask",
            ratio <= BAR,
            f"bare Flask {theirs:.2f} ms",
            f"{ratio:.2f} ×",
        ),
        Row(
            "  CPU time on this machine, beside that where the bars were set",
            f"{theirs / BARE_WHERE_BARS_WERE_SET:.2f} ×",
        ),
        *(Row(f"  memory of {name}, PSS", f"{size:.0f} MB") for name, size in memory.items()),
    ]


def _cost(measured: Measured) -> float:
    """The milliseconds of CPU for a request."""
    before = measured.cpu_seconds()
    benchmark.load(measured, requests=REQUESTS, connections=1)
    return (measured.cpu_seconds() - before) / REQUESTS * 1000


@contextmanager
def _service(name: str, folder: Path, **variables: object) -> Iterator[Measured]:
    measured = benchmark.start(name, folder, **variables)
    try:
        yield measured
    finally:
        measured.process.terminate()
        measured.process.wait(30)


@contextmanager
def _bare(folder: Path, logic_url: str) -> Iterator[Measured]:
    port, began = free_port(), time.monotonic()
    gunicorn = Path(sys.executable).with_name("gunicorn")
    options = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--threads", str(THREADS)]
    environment = {**os.environ, "LOGIC_URL": logic_url}
    with (folder / "bare.log").open("wb") as log:
        process = subprocess.Popen(
            [gunicorn, *options, "--keep-alive", "3700", "bench.services:bare()"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, began)
        yield Measured("webapp", port, process, time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, began: float) -> None:
    while time.monotonic() - began < GIVE_UP_SECONDS:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError("the bare Flask application did not start")
