"""The requests that webapp's sidecar has counted, in short: `python docs/workshop/metrics.py`."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from collections import Counter
from typing import NamedTuple

PODS = "/api/v1/namespaces/sentimesh/pods"
SAMPLE = re.compile(r"^(?:envoy_)?istio_requests_total{(.*)} (\S+)$", flags=re.MULTILINE)
"""With `envoy_` if the component stock-envoy-metrics makes the proxies count."""


class Requests(NamedTuple):
    """What is equal among requests that are counted together."""

    reporter: str
    caller: str
    called: str
    status: str


def requests() -> Counter[Requests]:
    """Istio's `istio_requests_total` at the pods of webapp, by caller, called workload and status."""
    total: Counter[Requests] = Counter()
    pods = json.loads(_get(f"{PODS}?labelSelector=app%3Dwebapp"))["items"]
    for pod in pods:
        total += counted(_get(f"{PODS}/{pod['metadata']['name']}:15020/proxy/stats/prometheus"))
    return total


def counted(text: str) -> Counter[Requests]:
    """The requests in what a proxy tells Prometheus."""
    total: Counter[Requests] = Counter()
    for labels, value in SAMPLE.findall(text):
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        called = label.get("destination_workload") or label.get("destination_peer", "").partition(";")[0]
        caller = label.get("source_workload", "unknown")
        row = Requests(label["reporter"], caller, called or "unknown", label["response_code"])
        total[row] += int(float(value))
    return total


def _get(path: str) -> str:
    mesh = os.environ.get("LOCALMESH_URL", "http://127.0.0.1:7080")
    try:
        with urllib.request.urlopen(mesh + path, timeout=10) as answer:
            return str(answer.read(), "utf-8")
    except (OSError, ValueError) as error:
        sys.exit(f"the metrics of the mesh at {mesh} cannot be read: {error}; is it running (make up)?")


if __name__ == "__main__":
    counts = sorted(requests().items())
    print(f"{'reporter':<12} {'from':<22} {'to':<13} status  requests")
    for row, count in counts:
        print(f"{row.reporter:<12} {row.caller:<22} {row.called:<13} {row.status:<6} {count:>9,}")
