"""The state of pods, and what their applications have counted and logged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadgen.meshstate.resources import Object

if TYPE_CHECKING:
    from loadgen.meshstate.api import MeshApi

METRICS_PORT = 9102
IN_FLIGHT_METRIC = "sentimesh_http_requests_in_flight"


def is_terminating(pod: Object) -> bool:
    """Whether a pod is being deleted; it may still be ready."""
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Object) -> bool:
    """Whether a pod takes requests and is not about to stop."""
    if is_terminating(pod):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def is_running(pod: Object) -> bool:
    """Whether the processes of a pod run and are not about to stop."""
    return (pod.get("status") or {}).get("phase") == "Running" and not is_terminating(pod)


def is_completed(pod: Object) -> bool:
    """Whether a pod has finished its work, as that of a Job does."""
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def name_of(pod: Object) -> str:
    """The name of a pod, as `served-by` has it."""
    return str(pod["metadata"]["name"])


def logged(api: MeshApi, pod: Object, *, newest: int) -> list[Mapping[str, Any]]:
    """The lines of JSON among the `newest` lines of a pod's application log.

    Each line names the pod that wrote it: where replicas share a log, only the lines of this one are taken.
    """
    lines: list[Mapping[str, Any]] = []
    for line in api.pod_log(pod, newest=newest).splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict) and content.get("pod") == name_of(pod):
            lines.append(content)
    return lines


def sample_sum(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of a metric that have these labels; 0 if there is none.

    Only its own lines are parsed: texts are long, and with its type, the parser would rename a counter whose
    name does not end with `_total`.

    >>> sample_sum("# TYPE pushes counter\\npushes 4\\n", "pushes")
    4
    >>> sample_sum('a_total{outcome="hang"} 2.0\\na_total{outcome="error"} 3.0\\n', "a_total")
    5.0
    """
    from prometheus_client.parser import text_string_to_metric_families

    own = "".join(f"{line}\n" for line in text.split("\n") if line.startswith(name))
    return sum(
        sample.value
        for family in text_string_to_metric_families(own)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def metric_sum(api: MeshApi, service: str, version: str | None, metric: str, **labels: str) -> float:
    """The current sum of a metric over the running pods of a service, or of one version of it."""
    selector = {"app": service} | ({} if version is None else {"version": version})
    return sum(
        sample_sum(api.pod_text(name_of(pod), METRICS_PORT, "metrics"), metric, **labels)
        for pod in api.pods(**selector)
        if is_running(pod)
    )
