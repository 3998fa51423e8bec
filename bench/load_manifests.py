"""How long manifests take to load: the canary overlay, and 3,000 Services with their Istio objects.

Bars: 0.5 s for the overlay, kustomize included; 3 s for the 9,000 objects.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from localmesh.manifests import Loaded, load, load_text

RUNS = 5
SERVICES = 3_000
OVERLAY = Path("istio/overlays/canary")
OVERLAY_BAR_SECONDS = 0.5
SERVICES_BAR_SECONDS = 3.0

ONE_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: NAME, labels: {app: NAME}}
spec:
  selector: {app: NAME}
  ports:
    - {name: http, port: 80, targetPort: 8080}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: NAME}
spec:
  host: NAME
  subsets:
    - name: v1
      labels: {version: v1}
    - name: v2
      labels: {version: v2}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: NAME}
spec:
  hosts: [NAME]
  http:
    - route:
        - destination: {host: NAME, subset: v1}
          weight: 80
        - destination: {host: NAME, subset: v2}
          weight: 20
"""


def main() -> None:
    """Measures and prints."""
    many = "".join(ONE_SERVICE.replace("NAME", f"service-{number}") for number in range(SERVICES))
    measure(f"{OVERLAY}", lambda: load(kustomizations=[OVERLAY]), OVERLAY_BAR_SECONDS)
    measure(f"{SERVICES:,} Services", lambda: load_text(many), SERVICES_BAR_SECONDS)


def measure(what: str, action: Callable[[], Loaded], bar: float) -> None:
    """The median of several loads."""
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
