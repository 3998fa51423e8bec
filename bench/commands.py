"""Times of commands that need no mesh: the whole process, with the start of Python and with kustomize."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.rows import Row, at_most, plain, spread

RUNS = 7
OVERLAY = "istio/overlays/canary"
VALIDATE_BAR_SECONDS = 0.5
LOCALMESH = Path(sys.executable).with_name("localmesh")


def measure() -> list[Row]:
    """Run each command several times."""
    version, version_cpu = seconds("--version")
    validate, validate_cpu = seconds("validate", "-k", OVERLAY)
    return [
        plain("localmesh --version, median", version, "s", 2),
        plain("  its CPU, with children", version_cpu, "s", 2),
        at_most("localmesh validate -k of the canary, median", validate, VALIDATE_BAR_SECONDS, "s", 2),
        plain("  its CPU, with children", validate_cpu, "s", 2),
    ]


def seconds(*arguments: str) -> tuple[float, float]:
    """Return the medians of several runs: seconds until the end, and seconds of CPU."""
    runs = [cost(str(LOCALMESH), *arguments) for _ in range(RUNS)]
    times, cpu = zip(*runs, strict=True)
    print(f"   {arguments[0]}: {spread(times, 's', 2)}")
    return statistics.median(times), statistics.median(cpu)


def cost(*command: str) -> tuple[float, float]:
    """Return the seconds that a command takes, and its CPU time with that of its children."""
    before, began = os.times(), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    taken, after = time.monotonic() - began, os.times()
    user, system = (after[index] - before[index] for index in (2, 3))
    return taken, user + system
