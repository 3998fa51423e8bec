"""Time that istiod needs for the change that scale.py measures, from istiod's own metrics.

`python -m bench.scale_istiod --cluster [SERVICES]` creates a namespace with this number of Services (default:
1,000) and eleven pods with sidecars in the cluster of KUBECONFIG, changes one weight several times, and
deletes the namespace, which must not exist before. The pods run IMAGE (default: python:3.13-slim), which
sleeps. Without --cluster it does nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict

from bench.many_services import PROXIES, edge, pods, routes, services

CHANGES = 10
NAMESPACE = "scale"
GIVE_UP_SECONDS = 300
TIMES = {
    "pilot_debounce_time": "waiting for further changes",
    "pilot_pushcontext_init_seconds": "creating the push context",
    "pilot_proxy_queue_time": "waiting in the queue of a proxy",
    "pilot_xds_push_time": "generating and sending one type for one proxy",
    "pilot_proxy_convergence_time": "from the change until a proxy has received all of it",
}
MEMORY = "process_resident_memory_bytes"


def main(arguments: list[str]) -> None:
    """Measure and print, or print that nothing is measured; exits with status 1 if that fails."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale_istiod", description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", action="store_true", help="measure in the cluster of KUBECONFIG")
    parser.add_argument("services", type=int, nargs="?", default=1_000, help="default: 1000")
    chosen = parser.parse_args(arguments)
    if not chosen.cluster:
        print("skipped: use --cluster to measure istiod in the cluster of KUBECONFIG")
        return
    try:
        kubectl("create", "namespace", NAMESPACE)
        try:
            set_up(chosen.services)
            measure(chosen.services)
        finally:
            kubectl("delete", "namespace", NAMESPACE)
    except (OSError, LookupError, subprocess.CalledProcessError) as error:  # kubectl has said why
        sys.exit(f"istiod was not measured: {error}")


def set_up(size: int) -> None:
    """Create the objects in the namespace; wait until the pods are ready and istiod is idle."""
    before = metrics()
    kubectl("label", "namespace", NAMESPACE, "istio-injection=enabled")
    image = os.environ.get("IMAGE", "python:3.13-slim")
    create(pods(PROXIES - 1, image=image, command='["sleep", "infinity"]') + edge(80))
    create(services(size))
    timeout = f"--timeout={GIVE_UP_SECONDS}s"
    kubectl("wait", "-n", NAMESPACE, "--for=condition=Available", "deployment", "--all", timeout)
    wait_until_idle(before)


def measure(size: int) -> None:
    """Change the weight and print the metrics of istiod."""
    before = metrics()
    for share in range(CHANGES):
        current = metrics()
        kubectl("apply", "-n", NAMESPACE, "-f", "-", text=routes("service-0", share))
        wait_until_idle(current)
    after = metrics()
    print(f"istiod, {size:,} Services, {CHANGES} changed weights, one after another; mean times:")
    for name, meaning in TIMES.items():
        count = after[f"{name}_count"] - before[f"{name}_count"]
        seconds = after[f"{name}_sum"] - before[f"{name}_sum"]
        mean = f"{1000 * seconds / count:.0f} ms" if count else "none"
        print(f"  {name}: {mean} ({count / CHANGES:g} for each change): {meaning}")
    print(f"  memory: istiod {after[MEMORY] / 2**20:.0f} MB")


def wait_until_idle(before: dict[str, float]) -> None:
    """Wait until istiod has pushed since `before` and then has been idle for a second, or TimeoutError."""
    name = "pilot_proxy_convergence_time_count"
    pushes, deadline = before[name], time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        time.sleep(1)
        current = metrics()[name]
        if current == pushes != before[name]:
            return
        pushes = current
    raise TimeoutError(f"istiod is still pushing after {GIVE_UP_SECONDS} s")


def metrics() -> dict[str, float]:
    """Return istiod's metrics by name, labels added up; raises IndexError without istiod."""
    selector = ("-n", "istio-system", "-l", "app=istiod", "-o", "json")
    pod = json.loads(kubectl("get", "pods", *selector))["items"][0]["metadata"]["name"]
    path = f"/api/v1/namespaces/istio-system/pods/{pod}:15014/proxy/metrics"
    values: dict[str, float] = defaultdict(float)  # a metric is there only after its first value
    for line in kubectl("get", "--raw", path).splitlines():
        if match := re.match(r"(\w+)(?:\{.*\})? (\S+)$", line):
            values[match[1]] += float(match[2])
    return values


def create(text: str) -> None:
    """Create objects in the namespace."""
    # without validation by kubectl, which would take longer than the API server
    kubectl("create", "-n", NAMESPACE, "--save-config", "--validate=false", "-f", "-", text=text)


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Run kubectl and return its output; raises CalledProcessError."""
    command = ["kubectl", *arguments]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
