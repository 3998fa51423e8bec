"""Times of commands that need no mesh: the whole process, with the start of Python and with kustomize."""

from __future__ import annotations

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
    version = statistics.median(seconds("--version"))
    validate = statistics.median(seconds("validate", "-k", OVERLAY))
    return [
        plain("localmesh --version, median", version, "s", 2),
        at_most("localmesh validate -k of the canary, median", validate, VALIDATE_BAR_SECONDS, "s", 2),
    ]


def seconds(*arguments: str) -> list[float]:
    """Return the times of several runs."""
    times = []
    for _ in range(RUNS):
        began = time.monotonic()
        subprocess.run([LOCALMESH, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - began)
    print(f"   {arguments[0]}: {spread(times, 's', 2)}")
    return times
