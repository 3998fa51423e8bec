"""What pods have written, read through the API of Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loadgen.meshstate.api import MeshApi, Object


def leaving(pod: Object) -> bool:
    """Whether a pod is being taken away; it may still be ready."""
    return "deletionTimestamp" in pod["metadata"]


def ready(pod: Object) -> bool:
    """Whether a pod takes requests, and will go on doing so."""
    if leaving(pod):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def running(pod: Object) -> bool:
    """Whether a pod's processes run, and will go on doing so."""
    return (pod.get("status") or {}).get("phase") == "Running" and not leaving(pod)


def completed(pod: Object) -> bool:
    """Whether a pod has done what it was for, as a Job's has."""
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def name_of(pod: Object) -> str:
    """The name of a pod, as `served-by` says it."""
    return str(pod["metadata"]["name"])


def logged(api: MeshApi, pod: Object, *, newest: int) -> list[Mapping[str, Any]]:
    """What a pod's application has logged as lines of JSON, of its `newest` lines; others are left out.

    Each line names the pod that wrote it: where replicas share a log, only this one's are taken.
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
