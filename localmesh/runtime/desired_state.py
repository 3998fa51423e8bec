"""What a set of resources asks for: pods, proxies and the catalog, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from localmesh.catalog import Catalog, Proxy, build
from localmesh.catalog.addressing import (
    AddressAllocator,
    PlannedGateway,
    PlannedPod,
    injection,
    plan_gateways,
    plan_pods,
)
from localmesh.catalog.config_data import ConfigData, config_data
from localmesh.catalog.workload import Workload
from localmesh.manifests import Resource
from localmesh.problems import ManifestError, Problem
from localmesh.runtime.workloads import configuration_problems

PodKey = tuple[str, str]
"""Namespace and name of a pod."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """A mesh as it is to be; `catalog` has no pods yet."""

    resources: tuple[Resource, ...]
    ignored: tuple[Resource, ...]
    catalog: Catalog
    pods: Mapping[PodKey, PlannedPod]
    gateways: Mapping[PodKey, PlannedGateway]
    config: ConfigData

    @property
    def proxies(self) -> list[Proxy]:
        """Every proxy there is to be, gateways last."""
        sidecars = [pod.proxy for pod in self.pods.values() if pod.proxy is not None]
        return [*sidecars, *(gateway.proxy for gateway in self.gateways.values())]


EMPTY = DesiredState((), (), build(()), {}, {}, ConfigData())
"""The plan of nothing."""


def plan(
    resources: Iterable[Resource],
    ignored: Iterable[Resource],
    addresses: AddressAllocator,
    before: DesiredState | None = None,
) -> DesiredState:
    """The plan of these resources. Raises ManifestError for what cannot be run as processes.

    From the plan of `before` is taken over what is made of objects that have not changed.
    """
    resources = tuple(resources)
    catalog = build(resources, before.catalog if before is not None else None)
    config = config_data(resources)
    problems = [problem for each in catalog.workloads for problem in _problems(each, config)]
    if problems:
        raise ManifestError(problems)
    pods = plan_pods(catalog.workloads, catalog.services_of, injection(resources), addresses)
    placed = {(pod.workload.namespace, pod.name): pod for pod in pods}
    running = before.pods if before is not None else {}
    gateways = plan_gateways(catalog.gateways, addresses)
    return DesiredState(
        resources=resources,
        ignored=tuple(ignored),
        catalog=catalog,
        pods={key: pod if pod != running.get(key) else running[key] for key, pod in placed.items()},
        gateways={(gateway.proxy.namespace, gateway.proxy.name): gateway for gateway in gateways},
        config=config,
    )


def _problems(of: Workload, config: ConfigData) -> tuple[Problem, ...]:
    return of.problems + configuration_problems(of, config)
