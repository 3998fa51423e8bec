"""Coordinated omission: the target stops for 0.5 s in a run of 4 s at 1,000/s, and the p99 must show it.

One request in eight is due while the target is stopped, so the true 99th percentile of the latency, counted
from the intended send times, is about 0.46 s. A generator that waits for an answer before it sends the next
request would report a few milliseconds. For comparison, the same stop is measured in a closed loop.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from bench.loadgen_target import envoy
from bench.rows import Row

BAR_MILLISECONDS = 300
SECONDS = 4
STOP_AFTER = 1.5
STOPPED_FOR = 0.5


def measure() -> list[Row]:
    """Measure the stop in an open and in a closed loop."""
    with envoy() as (url, target):
        open_loop = _p99(url, target, ["--rate", "1000"])
        closed_loop = _p99(url, target, ["--concurrency", "1"])
    return [
        Row(
            "p99 of a target that stops for 0.5 s, at 1,000/s",
            f"{open_loop:.0f} ms",
            f"> {BAR_MILLISECONDS} ms",
            open_loop > BAR_MILLISECONDS,
            f"closed loop {closed_loop:.1f} ms",
        )
    ]


def _p99(url: str, target: subprocess.Popen[bytes], pace: list[str]) -> float:
    command = [
        sys.executable,
        "-m",
        "loadgen.cli",
        "run",
        url,
        *pace,
        "--duration",
        f"{SECONDS}s",
        "--json",
        "-",
    ]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(STOP_AFTER)
    target.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED_FOR)
    target.send_signal(signal.SIGCONT)
    summary = json.loads(run.communicate()[0])
    return float(summary["latency_ms"]["p99"])
