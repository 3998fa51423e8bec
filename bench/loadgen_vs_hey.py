"""Requests per CPU-second: `loadgen run` against hey, on the same Envoy, in the same run.

Both send the same number of requests over the same number of connections, one after the other, several
times. The order alternates, so that neither always runs on the warmer machine. The result is the CPU time
(user and system) of the whole process, start-up included: it decides how much load a machine can generate,
and depends less on other programs than wall-clock time.

    python bench/loadgen_vs_hey.py [--pairs 5] [--requests 100000] [--connections 50] [--proxied]

Exit status: 1 if the median ratio misses the bar. Without hey, nothing is measured, and a line says so.
"""

from __future__ import annotations

import argparse
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

from loadgen_target import envoy

BAR = 1.5
HOW_TO_INSTALL = "NOT MEASURED: hey was not found; go install github.com/rakyll/hey@latest, or use --hey"


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


def main() -> int:
    """Run all pairs; print each of them and the medians."""
    options = _options()
    hey = _hey(options.hey)
    if hey is None:
        print(HOW_TO_INSTALL)
        return 0
    ratios, walls = [], []
    with envoy(through_a_proxy=options.proxied) as (url, _):
        print(
            f"{options.requests:,} requests on {options.connections} connections: per CPU-second (per second)"
        )
        for number in range(options.pairs):
            runs = {"loadgen": lambda: _loadgen(url, options), "hey": lambda: _run_hey(hey, url, options)}
            order = list(runs) if number % 2 else list(reversed(runs))
            spent = {name: runs[name]() for name in order}
            ratios.append(spent["loadgen"].per_cpu_second / spent["hey"].per_cpu_second)
            walls.append(spent["loadgen"].per_second / spent["hey"].per_second)
            print(
                f"pair {number + 1}: {_figures(spent)}   ratio {ratios[-1]:.2f} ({walls[-1]:.2f})", flush=True
            )
    median = statistics.median(ratios)
    verdict = "reached" if median >= BAR else "MISSED"
    wall = statistics.median(walls)
    print(f"median ratio: {median:.2f} per CPU-second ({wall:.2f} per second); bar {BAR} {verdict}")
    return 0 if median >= BAR else 1


def _figures(spent: dict[str, Spent]) -> str:
    return "   ".join(
        f"{name} {spent[name].per_cpu_second:8,.0f} ({spent[name].per_second:,.0f})"
        for name in ("loadgen", "hey")
    )


def _loadgen(url: str, options: argparse.Namespace) -> Spent:
    command = [sys.executable, "-m", "loadgen.cli", "run", f"{url}/sentiment", "--method", "GET", "--no-live"]
    command += ["--concurrency", str(options.connections), "--requests", str(options.requests), "--json", "-"]
    output, cpu, wall = _measured(command)
    answered = json.loads(output)["statuses"].get("200", 0)
    return _checked(answered, options.requests, cpu, wall, "loadgen")


def _run_hey(hey: str, url: str, options: argparse.Namespace) -> Spent:
    command = [hey, "-n", str(options.requests), "-c", str(options.connections), f"{url}/sentiment"]
    output, cpu, wall = _measured(command)
    answers = re.search(r"\[200\]\s+(\d+) responses", output)
    return _checked(int(answers[1]) if answers else 0, options.requests, cpu, wall, "hey")


def _checked(answered: int, wanted: int, cpu: float, wall: float, who: str) -> Spent:
    """Allow 1 % fewer answers: hey rounds the number of requests down to a multiple of its workers."""
    if answered < 0.99 * wanted:
        raise SystemExit(f"{who} got only {answered:,} good answers to {wanted:,} requests")
    return Spent(answered, cpu, wall)


def _measured(command: list[str]) -> tuple[str, float, float]:
    """Return standard output, CPU seconds of the process, and wall-clock seconds."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return output, usage.ru_utime + usage.ru_stime, time.monotonic() - started


def _hey(given: str | None) -> str | None:
    if given:
        return given
    go = Path(os.environ.get("GOBIN") or Path(os.environ.get("GOPATH", Path.home() / "go")) / "bin")
    return shutil.which("hey") or shutil.which("hey", path=str(go))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument(
        "--proxied", action="store_true", help="through a second listener instead of a direct response"
    )
    parser.add_argument("--hey", help="path to hey")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
