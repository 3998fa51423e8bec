"""Duration, memory and number of requests of `make demo`, with everything installed.

Memory is the highest sum over all processes (PSS, which counts shared memory once).
"""

from __future__ import annotations

import re
import subprocess
import time

import psutil

from bench.rows import Row, at_most

BAR_SECONDS = 25
LEAST_REQUESTS = 2_000
BAR_MEGABYTES = 470
PAUSE_SECONDS = 0.25


def measure() -> list[Row]:
    """Run the demo and watch its processes."""
    began = time.monotonic()
    demo = subprocess.Popen(["make", "demo"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        highest, processes = watch(psutil.Process(demo.pid), demo)
        seconds = time.monotonic() - began
        output = demo.communicate()[0]
    finally:
        demo.terminate()  # if it takes too long
        demo.wait()
    sent = re.search(r"sent\s+([\d,]+)", output)
    requests = int(sent[1].replace(",", "")) if sent else 0
    print(f"   {requests:,} requests, exit status {demo.returncode}")
    if demo.returncode or requests < LEAST_REQUESTS:
        raise RuntimeError(f"`make demo` sent {requests:,} requests and ended with {demo.returncode}")
    return [
        at_most("make demo, from start to end", seconds, BAR_SECONDS, "s", 1),
        at_most(f"  its memory, PSS, {processes} processes", highest / 2**20, BAR_MEGABYTES, "MB"),
    ]


def watch(root: psutil.Process, demo: subprocess.Popen[str]) -> tuple[int, int]:
    """Return the highest sum of the memory of all processes, and their number at that time."""
    highest, processes = 0, 0
    while demo.poll() is None:
        sizes = [size for process in tree(root) if (size := pss(process))]
        if sum(sizes) > highest:
            highest, processes = sum(sizes), len(sizes)
        time.sleep(PAUSE_SECONDS)
    return highest, processes


def tree(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def pss(process: psutil.Process) -> int:
    """Return the PSS of a process in bytes, or 0 if it has ended."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0
