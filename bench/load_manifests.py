"""Time to load manifests: the canary overlay, and 3,000 Services with their Istio objects.

Bars: 0.5 s for the overlay, kustomize included; 3 s for the 9,000 objects.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from many_services import services

from localmesh.manifests import LoadResult, load, load_text

RUNS = 5
SERVICES = 3_000
OVERLAY = Path("istio/overlays/canary")
OVERLAY_BAR_SECONDS = 0.5
SERVICES_BAR_SECONDS = 3.0


def main() -> None:
    """Measure and print."""
    many = services(SERVICES)
    measure(f"{OVERLAY}", lambda: load(kustomizations=[OVERLAY]), OVERLAY_BAR_SECONDS)
    measure(f"{SERVICES:,} Services", lambda: load_text(many), SERVICES_BAR_SECONDS)


def measure(what: str, action: Callable[[], LoadResult], bar: float) -> None:
    """Load several times and print the median."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        loaded = action()
        times.append(time.perf_counter() - began)
    objects = len(loaded.resources)
    print(
        f"{what}: {objects:,} objects in {statistics.median(times):.2f} s (median of {RUNS}; bar: {bar:g} s)"
    )


if __name__ == "__main__":
    main()
