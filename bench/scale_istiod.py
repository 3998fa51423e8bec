"""What istiod needs for the change that scale.py measures, by its own metrics; only when asked for.

`scale_istiod.py --cluster [SERVICES]` makes a namespace with that many Services (1,000) and eleven pods with
sidecars in the cluster of KUBECONFIG, changes one weight some times, and removes the namespace. Pods run
IMAGE (python:3.13-slim), which only sleeps. Without the option it says that it is skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time

from many_services import PROXIES, edge, pods, routes, services

CHANGES = 10
NAMESPACE = "scale"
GIVE_UP_SECONDS = 300
TIMES = {
    "pilot_debounce_time": "waiting for further changes",
    "pilot_pushcontext_init_seconds": "the picture of the mesh",
    "pilot_proxy_queue_time": "a proxy's turn",
    "pilot_xds_push_time": "making and sending one type for one proxy",
    "pilot_proxy_convergence_time": "from the change to a proxy that has been sent all of it",
}
MEMORY = "process_resident_memory_bytes"


def main(arguments: list[str]) -> None:
    """Measures and prints, or says that it does not."""
    if arguments[:1] != ["--cluster"]:
        print("skipped: a cluster is only used when asked for, with --cluster")
        return
    size = int(arguments[1]) if len(arguments) > 1 else 1_000
    try:
        set_up(size)
        measure(size)
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


def set_up(size: int) -> None:
    """Makes the namespace and all in it; returns when its pods are ready and istiod has nothing to do."""
    before = metrics()
    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "istio-injection=enabled")
    image = os.environ.get("IMAGE", "python:3.13-slim")
    create(pods(PROXIES - 1, image=image, command='["sleep", "infinity"]') + edge(80))
    create(services(size))
    timeout = f"--timeout={GIVE_UP_SECONDS}s"
    kubectl("wait", "-n", NAMESPACE, "--for=condition=Available", "deployment", "--all", timeout)
    settled(before)


def measure(size: int) -> None:
    """Changes the weight and prints what the metrics say of it."""
    before = metrics()
    for share in range(CHANGES):
        current = metrics()
        kubectl("apply", "-n", NAMESPACE, "-f", "-", text=routes("service-0", share))
        settled(current)
    after = metrics()
    print(f"istiod, {size:,} Services, {CHANGES} changed weights, one after another; mean times:")
    for name, meaning in TIMES.items():
        count = after[f"{name}_count"] - before[f"{name}_count"]
        seconds = after[f"{name}_sum"] - before[f"{name}_sum"]
        mean = f"{1000 * seconds / count:.0f} ms" if count else "none"
        print(f"  {name}: {mean} ({count / CHANGES:g} for each change): {meaning}")
    print(f"  memory: istiod {after[MEMORY] / 2**20:.0f} MB")


def settled(before: dict[str, float]) -> None:
    """Waits until proxies have been told something since `before`, and then nothing more for a second."""
    name = "pilot_proxy_convergence_time_count"
    told, deadline = before[name], time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        time.sleep(1)
        found = metrics()[name]
        if found == told != before[name]:
            return
        told = found
    raise TimeoutError(f"istiod has not come to rest within {GIVE_UP_SECONDS} s")


def metrics() -> dict[str, float]:
    """Istiod's metrics by name, those of one name with different labels added up."""
    selector = ("-n", "istio-system", "-l", "app=istiod", "-o", "json")
    pod = json.loads(kubectl("get", "pods", *selector))["items"][0]["metadata"]["name"]
    path = f"/api/v1/namespaces/istio-system/pods/{pod}:15014/proxy/metrics"
    found: dict[str, float] = {}
    for line in kubectl("get", "--raw", path).splitlines():
        if match := re.match(r"(\w+)(?:\{.*\})? (\S+)$", line):
            found[match[1]] = found.get(match[1], 0.0) + float(match[2])
    return found


def create(text: str) -> None:
    """Creates objects in the namespace."""
    kubectl("create", "-n", NAMESPACE, "-f", "-", text=text)


def kubectl(*arguments: str, text: str | None = None) -> str:
    """What kubectl prints."""
    command = ["kubectl", *arguments]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
