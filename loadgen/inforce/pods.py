"""Pods, what they have counted and what they have written, through the API of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loadgen.inforce.api import MeshApi, Object

METRICS_PORT = 9102
"""Where every service of the application serves Prometheus' metrics."""


def pods_of(api: MeshApi, **labels: str) -> list[Object]:
    """The ready pods that have these labels, by name."""
    found = [
        pod
        for pod in api.items("v1", "pods")
        if labels.items() <= (pod["metadata"].get("labels") or {}).items() and _ready(pod)
    ]
    return sorted(found, key=name_of)


def name_of(pod: Object) -> str:
    """The name of a pod, as `served-by` says it."""
    return str(pod["metadata"]["name"])


def version_of(pod: Object) -> str:
    """The label `version` of a pod."""
    return str((pod["metadata"].get("labels") or {}).get("version", ""))


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def counted(api: MeshApi, pod: Object, metric: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels (histograms: `NAME_count`); 0 without any."""
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(api.text(f"{_path(api, pod)}:{METRICS_PORT}/proxy/metrics"))
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    )


def logged(api: MeshApi, pod: Object, *, newest: int) -> list[Mapping[str, Any]]:
    """What the application has logged as lines of JSON, of its `newest` lines; others are left out."""
    container = pod["spec"]["containers"][0]["name"]
    text = api.text(f"{_path(api, pod)}/log?container={container}&tailLines={newest}")
    lines: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            lines.append(content)
    return lines


def _path(api: MeshApi, pod: Object) -> str:
    return f"/api/v1/namespaces/{api.namespace}/pods/{name_of(pod)}"
