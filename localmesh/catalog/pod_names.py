"""The names of single pods: those of StatefulSets have one below the name of each headless Service.

Kubernetes: "StatefulSets", stable network ID.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from localmesh.catalog.services import Service
from localmesh.catalog.workload import PodNaming, Workload


def with_pod_names(services: tuple[Service, ...], workloads: Iterable[Workload]) -> tuple[Service, ...]:
    """The Services, the headless ones with the names of their pods."""
    numbered = [workload for workload in workloads if workload.naming is PodNaming.NUMBERED]
    if not numbered:
        return services
    return tuple(_named(service, numbered) if service.headless else service for service in services)


def _named(service: Service, workloads: Iterable[Workload]) -> Service:
    names = tuple(
        workload.pod_name(ordinal)
        for workload in workloads
        if service.selects(workload.namespace, workload.labels)
        for ordinal in range(workload.replicas)
    )
    return replace(service, pod_names=names) if names else service
