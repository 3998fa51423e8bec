"""Requests per CPU-second: `loadgen run` against hey, on the same Envoy, in the same run.

Both send the same number of requests over the same number of connections, one after the other, several
times. The order alternates, so that neither always runs on the warmer machine. The result is the CPU time
(user and system) of the whole process, start-up included: it decides how much load a machine can generate,
and depends less on other programs than wall-clock time.

hey is found on the PATH, or where Go installs programs. Without it, nothing is measured, and a line says so.
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
from bench.rows import Row

BAR = 2.3
PAIRS = 3
REQUESTS = 100_000
CONNECTIONS = 50


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
    """Run all pairs; the medians are the result."""
    hey = _hey()
    ratios, walls, ours, theirs = [], [], [], []
    with envoy() as (url, _):
        for number in range(PAIRS):
            runs = {"loadgen": lambda: _loadgen(url), "hey": lambda: _run_hey(hey, url)}
            order = list(runs) if number % 2 else list(reversed(runs))
            spent = {name: runs[name]() for name in order}
            ours.append(spent["loadgen"].per_cpu_second)
            theirs.append(spent["hey"].per_cpu_second)
            ratios.append(ours[-1] / theirs[-1])
            walls.append(spent["loadgen"].per_second / spent["hey"].per_second)
            print(
                f"   pair {number + 1}: {_figures(spent)}   ratio {ratios[-1]:.2f} ({walls[-1]:.2f})",
                flush=True,
            )
    ratio, wall = statistics.median(ratios), statistics.median(walls)
    return [
        Row(
            "loadgen, requests per CPU-second",
            f"{statistics.median(ours):,.0f}",
            f"≥ {BAR} × hey",
            ratio >= BAR,
            f"hey {statistics.median(theirs):,.0f}",
            f"{ratio:.2f} × ({wall:.2f} × per second)",
        )
    ]


def _figures(spent: dict[str, Spent]) -> str:
    return "   ".join(
        f"{name} {spent[name].per_cpu_second:8,.0f} ({spent[name].per_second:,.0f})"
        for name in ("loadgen", "hey")
    )


def _loadgen(url: str) -> Spent:
    command = [sys.executable, "-m", "loadgen.cli", "run", f"{url}/sentiment", "--method", "GET", "--no-live"]
    command += ["--concurrency", str(CONNECTIONS), "--requests", str(REQUESTS), "--json", "-"]
    output, cpu, wall = _measured(command)
    answered = json.loads(output)["statuses"].get("200", 0)
    return _checked(answered, REQUESTS, cpu, wall, "loadgen")


def _run_hey(hey: str, url: str) -> Spent:
    command = [hey, "-n", str(REQUESTS), "-c", str(CONNECTIONS), f"{url}/sentiment"]
    output, cpu, wall = _measured(command)
    answers = re.search(r"\[200\]\s+(\d+) responses", output)
    return _checked(int(answers[1]) if answers else 0, REQUESTS, cpu, wall, "hey")


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


def _hey() -> str:
    go = Path(os.environ.get("GOBIN") or Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin")
    hey = shutil.which("hey") or shutil.which("hey", path=str(go))
    if hey is None:
        raise RuntimeError("hey was not found; go install github.com/rakyll/hey@latest")
    return hey
