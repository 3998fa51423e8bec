"""Duration, memory and number of requests of `make demo`, with everything installed.

Bars: 25 s with at least 2,000 requests; 700 MB of resident memory, as the highest sum over all processes
(PSS, which counts shared memory once).
"""

from __future__ import annotations

import re
import subprocess
import time

import psutil

BAR_SECONDS = 25
BAR_REQUESTS = 2_000
BAR_MEGABYTES = 700
PAUSE_SECONDS = 0.25


def main() -> None:
    """Run the demo, watch its processes, print the figures."""
    began = time.monotonic()
    demo = subprocess.Popen(["make", "demo"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    highest, processes = watch(psutil.Process(demo.pid), demo)
    seconds = time.monotonic() - began
    output = demo.stdout.read() if demo.stdout is not None else ""
    sent = re.search(r"sent\s+([\d,]+)", output)
    requests = int(sent[1].replace(",", "")) if sent else 0
    print(f"make demo: {seconds:.1f} s (bar: {BAR_SECONDS} s), exit status {demo.returncode}")
    print(f"  requests proven: {requests:,} (bar: {BAR_REQUESTS:,})")
    megabytes = highest / 2**20
    print(f"  highest memory: {megabytes:.0f} MB PSS in {processes} processes (bar: {BAR_MEGABYTES} MB)")


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


if __name__ == "__main__":
    main()
