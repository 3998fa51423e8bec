"""Requests per CPU-second: `loadgen run` against hey and fortio, on the same Envoy, in the same run.

All send the same number of requests over the same number of connections, one after the other, several times.
The order alternates, so that none always runs on the warmer machine. The result is the CPU time (user and
system) of the whole process, start-up included: it decides how much load a machine can generate, and depends
less on other programs than wall-clock time.

The peers are found on the PATH, or where Go installs programs. A peer that is missing is a row that says so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.loadgen_target import envoy
from bench.rows import Row, not_measured

BAR = 2.3
ROUNDS = 3
REQUESTS = 60_000
CONNECTIONS = 50
PEERS = {
    "hey": "github.com/rakyll/hey@latest",
    "fortio": "fortio.org/fortio@v1.63.0",  # later ones depend on a module that the Go proxy may not have
}
"""The peers, and what `go install` builds them from; the bar is about the first."""


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU and wall-clock time of one program for its requests."""

    requests: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Requests per CPU-second."""
        return self.requests / self.cpu_seconds

    @property
    def per_second(self) -> float:
        """Requests per second of wall-clock time."""
        return self.requests / self.wall_seconds


def measure() -> list[Row]:
    """Run all rounds; the medians are the result."""
    found = {name: path for name in PEERS if (path := program(name)) is not None}
    spent: dict[str, list[Spent]] = {name: [] for name in ("loadgen", *found)}
    with envoy() as (url, _):
        for number in range(ROUNDS):
            order = list(spent) if number % 2 else list(reversed(spent))
            for name in order:
                spent[name].append(_loadgen(url) if name == "loadgen" else _run_peer(name, found[name], url))
            print(
                f"   round {number + 1}: {_figures({name: runs[-1] for name, runs in spent.items()})}",
                flush=True,
            )
    return [_row(name, spent) if name in found else _missing(name) for name in PEERS]


def _row(peer: str, spent: dict[str, list[Spent]]) -> Row:
    """The comparison with a peer: the medians, and that of the ratios of each round."""
    own, others = spent["loadgen"], spent[peer]
    ratio = statistics.median(a.per_cpu_second / b.per_cpu_second for a, b in zip(own, others, strict=True))
    wall = statistics.median(a.per_second / b.per_second for a, b in zip(own, others, strict=True))
    ours, theirs = (statistics.median(run.per_cpu_second for run in runs) for runs in (own, others))
    has_bar = peer == next(iter(PEERS))
    return Row(
        "loadgen, requests per CPU-second",
        f"{ours:,.0f}",
        f"≥ {BAR} × {peer}" if has_bar else "",
        ratio >= BAR if has_bar else None,
        f"{peer} {theirs:,.0f}",
        f"{ratio:.2f} × ({wall:.2f} × per second)",
    )


def _missing(peer: str) -> Row:
    return not_measured(f"loadgen beside {peer}", f"{peer} was not found; go install {PEERS[peer]}")


def _figures(spent: dict[str, Spent]) -> str:
    return "   ".join(
        f"{name} {spent[name].per_cpu_second:8,.0f} ({spent[name].per_second:,.0f})" for name in spent
    )


def _loadgen(url: str) -> Spent:
    command = [sys.executable, "-m", "loadgen.cli", "run", f"{url}/sentiment", "--method", "GET", "--no-live"]
    command += ["--concurrency", str(CONNECTIONS), "--requests", str(REQUESTS), "--json", "-"]
    output, cpu, wall = _measured(command)
    answered = json.loads(output)["statuses"].get("200", 0)
    return _checked(answered, REQUESTS, cpu, wall, "loadgen")


def _run_peer(name: str, program: str, url: str) -> Spent:
    options = {
        "hey": ["-n", str(REQUESTS), "-c", str(CONNECTIONS)],
        "fortio": ["load", "-qps", "0", "-n", str(REQUESTS), "-c", str(CONNECTIONS), "-json", "-"],
    }
    output, cpu, wall = _measured([program, *options[name], f"{url}/sentiment"])
    answers = re.search(r"\[200\]\s+(\d+) responses|\"200\": (\d+)", output)
    return _checked(int(answers[1] or answers[2]) if answers else 0, REQUESTS, cpu, wall, name)


def _checked(answered: int, wanted: int, cpu: float, wall: float, who: str) -> Spent:
    """Allow 1 % fewer answers: hey rounds the number of requests down to a multiple of its workers."""
    if answered < 0.99 * wanted:
        raise RuntimeError(f"{who} got only {answered:,} good answers to {wanted:,} requests")
    return Spent(answered, cpu, wall)


def _measured(command: list[str]) -> tuple[str, float, float]:
    """Return standard output, CPU seconds of the process, and wall-clock seconds."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return output, usage.ru_utime + usage.ru_stime, time.monotonic() - started


def program(name: str) -> str | None:
    """The path of a program on the PATH, or where Go installs programs."""
    go = Path(os.environ.get("GOBIN") or Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin")
    return shutil.which(name) or shutil.which(name, path=str(go))
