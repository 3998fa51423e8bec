"""What pods count, read from their `/metrics` through the API."""

from __future__ import annotations

import re

from loadgen.meshstate.api import MeshApi
from loadgen.meshstate.pods import name_of, running

METRICS_PORT = 9102
_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)")


def sample_sum(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels; 0 where there is none.

    >>> sample_sum('a_total{outcome="hang"} 2.0\\na_total{outcome="error"} 3.0', "a_total")
    5.0
    """
    total = 0.0
    for line in text.splitlines():
        sample = _SAMPLE.match(line)
        if sample is None or sample["name"] != name:
            continue
        found = sample["labels"] or ""
        if all(f'{label}="{value}"' in found for label, value in labels.items()):
            total += float(sample["value"])
    return total


def ready_pods(api: MeshApi, service: str, version: str | None = None) -> list[str]:
    """The names of a service's pods, of one version or all, that have not ended and are not about to."""
    labels = {"app": service} | ({} if version is None else {"version": version})
    return [name_of(pod) for pod in api.pods(**labels) if running(pod)]


def counted(api: MeshApi, service: str, version: str | None, metric: str, **labels: str) -> float:
    """The sum of a metric over a service's pods, now."""
    return sum(
        sample_sum(api.pod_text(pod, METRICS_PORT, "metrics"), metric, **labels)
        for pod in ready_pods(api, service, version)
    )
