"""Pods as processes: environment, volumes, probes, restarts, logs."""

from localmesh.runtime.workloads.environment import configuration_problems
from localmesh.runtime.workloads.facts import PodFacts, pod_uid
from localmesh.runtime.workloads.pod import ContainerStatus, Pod, PodFailedError, PodState
from localmesh.runtime.workloads.ports import FreePorts, NoFreePortError

__all__ = [
    "ContainerStatus",
    "FreePorts",
    "NoFreePortError",
    "Pod",
    "PodFacts",
    "PodFailedError",
    "PodState",
    "configuration_problems",
    "pod_uid",
]
