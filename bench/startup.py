"""Time from the command to the first 200 through gateway, webapp and logic.

Several runs of `localmesh up` with the base application.
"""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from bench.rows import Row, at_most, plain, spread
from localmesh.runtime.workloads import FreePorts

RUNS = 5
BAR_SECONDS = 1.7
GIVE_UP_SECONDS = 60
LOCALMESH = Path(sys.executable).with_name("localmesh")


def measure() -> list[Row]:
    """Start the application several times."""
    times, cpu = zip(*(first_answer() for _ in range(RUNS)), strict=True)
    print(f"   {spread(times, 's', 2)}")
    return [
        at_most("up to the first 200, median", statistics.median(times), BAR_SECONDS, "s", 2),
        plain("  CPU of all processes until then", statistics.median(cpu), "s", 2),
    ]


def first_answer() -> tuple[float, float]:
    """Return the seconds from the start of the command to the first 200 for a sentence, and the CPU time."""
    port = FreePorts().take()
    command = [
        LOCALMESH,
        "up",
        "-k",
        "istio/base",
        "--gateway-port",
        str(port),
        "--api-port",
        "0",
        "--end-with-parent",
    ]
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        process = subprocess.Popen([*command, "--state", folder], stderr=subprocess.DEVNULL)
        try:
            while not answers(port):
                if process.poll() is not None or time.monotonic() - began > GIVE_UP_SECONDS:
                    raise RuntimeError("the mesh did not answer; run `make up` to see why")
                time.sleep(0.01)
            return time.monotonic() - began, cpu_of_tree(psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def cpu_of_tree(root: psutil.Process) -> float:
    """Return the seconds of CPU that a process and its descendants have used, including those that ended."""
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # user, system, and both of children that ended
    return total


def answers(port: int) -> bool:
    """Whether a sentence is answered with 200."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/sentiment",
        b'{"sentence": "I like it"}',
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
