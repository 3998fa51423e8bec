"""The desired state of a mesh: its catalog, pods and proxies, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from localmesh.catalog import Catalog, Proxy, build
from localmesh.catalog.addressing import (
    AddressAllocator,
    PlannedGateway,
    PlannedPod,
    plan_gateways,
    plan_pods,
)
from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.workload import Workload
from localmesh.manifests import Resource
from localmesh.manifests.positions import Source
from localmesh.problems import ManifestError, Place, Problem
from localmesh.runtime.workloads import configuration_problems
from localmesh.runtime.workloads.programs import Programs

PodKey = tuple[str, str]
"""Namespace and name of a pod."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The mesh that a set of resources describes; `catalog` has no pods yet."""

    resources: tuple[Resource, ...]
    ignored: tuple[Resource, ...]
    catalog: Catalog
    pods: Mapping[PodKey, PlannedPod]
    gateways: Mapping[PodKey, PlannedGateway]
    config: ConfigData
    warnings: tuple[Problem, ...] = ()
    """What is run otherwise than the manifests say."""
    sources: Mapping[Place, Source] = field(default_factory=dict, repr=False, compare=False)
    """Where objects were read; those of objects that have been removed may be among them."""

    @property
    def proxies(self) -> list[Proxy]:
        """All proxies, gateways last."""
        sidecars = [pod.proxy for pod in self.pods.values() if pod.proxy is not None]
        return [*sidecars, *(gateway.proxy for gateway in self.gateways.values())]


EMPTY = DesiredState((), (), build(()), {}, {}, ConfigData())
"""The desired state without any object."""


def plan(
    resources: Iterable[Resource],
    ignored: Iterable[Resource],
    addresses: AddressAllocator,
    before: DesiredState | None = None,
    programs: Programs | None = None,
) -> DesiredState:
    """The desired state of these resources. Raises ManifestError for pods that cannot be run.

    What is made of objects that have not changed is taken from `before`. With `programs`,
    stubs take the place of containers whose commands are not run.
    """
    resources = tuple(resources)
    written = build(resources, before.catalog if before is not None else None)
    catalog = written
    if programs is not None:
        catalog = replace(written, workloads=tuple(map(programs.runnable, written.workloads)))
    problems = [problem for workload in catalog.workloads for problem in _problems(workload, catalog.config)]
    if problems:
        raise ManifestError(problems)
    pods = plan_pods(catalog, addresses)
    planned = {(pod.workload.namespace, pod.name): pod for pod in pods}
    running = before.pods if before is not None else {}
    gateways = plan_gateways(catalog.gateways, addresses)
    return DesiredState(
        resources=resources,
        ignored=tuple(ignored),
        catalog=catalog,
        pods={key: pod if pod != running.get(key) else running[key] for key, pod in planned.items()},
        gateways={(gateway.proxy.namespace, gateway.proxy.name): gateway for gateway in gateways},
        config=catalog.config,
        warnings=tuple(chain.from_iterable(map(programs.missing, written.workloads))) if programs else (),
    )


def _problems(workload: Workload, config: ConfigData) -> tuple[Problem, ...]:
    return workload.problems + configuration_problems(workload, config)
