"""Coordinated omission: the target stops for 0.5 s in a run of 4 s at 1,000/s, and the p99 must show it.

One request in eight is due while the target is stopped, so the true 99th percentile of the latency, counted
from the intended send times, is about 0.46 s. A generator that waits for an answer before it sends the next
request would report a few milliseconds. For comparison, the same stop is measured in a closed loop.

    python bench/latency_honesty.py [--rounds 3]

Exit status: 0 if every open-loop run reports a p99 above the bar, 1 if not.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time

from loadgen_target import envoy

BAR_MILLISECONDS = 300
SECONDS = 4
STOP_AFTER = 1.5
STOPPED_FOR = 0.5


def main() -> int:
    """Run all rounds and print the reported percentiles."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    reported = []
    with envoy() as (url, target):
        for number in range(rounds):
            open_loop = _p99(url, target, ["--rate", "1000"])
            closed_loop = _p99(url, target, ["--concurrency", "1"])
            reported.append(open_loop)
            print(f"round {number + 1}: p99 {open_loop:.1f} ms at 1,000/s; closed loop {closed_loop:.1f} ms")
    good = min(reported) > BAR_MILLISECONDS
    verdict = "reached" if good else "MISSED"
    print(f"lowest p99 at 1,000/s: {min(reported):.1f} ms; bar {BAR_MILLISECONDS} ms {verdict}")
    return 0 if good else 1


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


if __name__ == "__main__":
    sys.exit(main())
