"""`python -m services.benchmark` measures start-up, memory and CPU of the services (Linux only)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from services.testing import ROOT, command, environment, free_port

REQUESTS = 2000
_TICKS = os.sysconf("SC_CLK_TCK")
_SENTENCE = "What a wonderful day this is, not bad at all."
_BODIES: dict[str, tuple[str, dict[str, object]]] = {
    "logic": ("/analyse/sentiment", {"sentence": _SENTENCE}),
    "webapp": ("/sentiment", {"sentence": _SENTENCE}),
    "feedback": ("/feedback", {"sentence": _SENTENCE, "polarity": 0.5, "correct": True}),
    "frontend": ("/", {}),
}
_HEAD = """\
                ready   start CPU    memory   after load    CPU ms/request      requests/s
service         after           s    MB PSS       MB PSS     1 conn.       8    1 conn.       8
"""

# What a sidecar adds to a request.
_HEADERS = (
    "Host: service\r\nContent-Type: application/json\r\nUser-Group: internal\r\n"
    "X-B3-TraceId: 0af7651916cd43dd8448eb211c80319c\r\nX-B3-SpanId: b7ad6b7169203331\r\nX-B3-Sampled: 1\r\n"
    "X-Forwarded-Proto: http\r\nX-Envoy-Attempt-Count: 1\r\n"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A running service: its process, or a master and its worker, and the seconds until it was ready."""

    service: str
    port: int
    process: subprocess.Popen[bytes]
    started: float

    def _processes(self) -> list[int]:
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu_seconds(self) -> float:
        """CPU time that its processes have used so far."""
        used = 0
        for pid in self._processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used / _TICKS

    def memory(self) -> float:
        """Proportional set size of its processes, in MB, which counts shared memory once."""
        sizes = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._processes()]
        return sum(int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) for text in sizes) / 1024


def start(service: str, folder: Path, **variables: object) -> Measured:
    """Start a service and wait for its first 200 on `/readyz`."""
    port = free_port()
    pod = {
        "PORT": port,
        "METRICS_PORT": free_port(),
        "POD_NAME": f"{service}-pod",
        "THREADS": 16,
        **variables,
    }
    began = time.monotonic()
    with (folder / f"{service}.log").open("wb") as log:
        process = subprocess.Popen(
            command(service), cwd=ROOT, env=environment(folder, **pod), stdout=log, stderr=log
        )
    while not _is_ready(port):
        if process.poll() is not None:
            raise SystemExit((folder / f"{service}.log").read_text())
        time.sleep(0.002)
    return Measured(service, port, process, time.monotonic() - began)


def _is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def load(measured: Measured, *, requests: int, connections: int) -> float:
    """Send requests with unique ids over persistent connections; returns the requests per second."""
    each = requests // connections
    threads = [threading.Thread(target=_send, args=(measured, index, each)) for index in range(connections)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return requests / (time.monotonic() - began)


def _send(measured: Measured, index: int, count: int) -> None:
    path, document = _BODIES[measured.service]
    body = json.dumps(document) if document else ""
    method = "POST" if document else "GET"
    with (
        socket.create_connection(("127.0.0.1", measured.port)) as connection,
        connection.makefile("rb") as answers,
    ):
        for number in range(count):
            unique = (
                f"X-Request-Id: {time.monotonic_ns()}-{index}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{_HEADERS}{unique}{body}".encode())
            _read_answer(answers)


def _read_answer(answers: object) -> None:
    read = answers.readline  # type: ignore[attr-defined]
    status, length = read(), 0
    if b" 20" not in status:
        raise SystemExit(f"unexpected answer: {status!r}")
    while (line := read()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    answers.read(length)  # type: ignore[attr-defined]


def report(folder: Path) -> None:
    """Measure each service and print a line about it."""
    running: list[Measured] = []
    sys.stdout.write(_HEAD)
    try:
        for service in _BODIES:
            variables = {"LOGIC_URL": f"http://127.0.0.1:{running[0].port}"} if service == "webapp" else {}
            running.append(start(service, folder, **variables))
            sys.stdout.write(_line(running[-1]))
    finally:
        for measured in running:
            measured.process.terminate()
        for measured in running:
            measured.process.wait(30)


def _line(measured: Measured) -> str:
    """Start-up and memory, then CPU and rate over one and over eight connections."""
    begun, memory = measured.cpu_seconds(), measured.memory()
    load(measured, requests=64, connections=1)
    costs, rates = [], []
    for connections in (1, 8):
        before = measured.cpu_seconds()
        rates.append(load(measured, requests=REQUESTS, connections=connections))
        costs.append((measured.cpu_seconds() - before) / REQUESTS * 1000)
    first = f"{measured.service:9}{measured.started:9.2f}{begun:12.2f}{memory:10.1f}{measured.memory():12.1f}"
    return f"{first}{costs[0]:12.2f}{costs[1]:8.2f}{rates[0]:14.0f}{rates[1]:8.0f}\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        report(Path(made))
