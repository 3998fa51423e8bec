"""docker-compose.yml and the manifests, for tests that compare them."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import Resource
from localmesh.runtime.external.inventory import PodEntry, read_inventory
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT, loaded

OVERLAYS = sorted(
    path.parent
    for path in (ROOT / "istio" / "overlays").glob("*/kustomization.yaml")
    if path.parent.name not in FOR_CONTROLLERS
)
SCENARIOS = [ROOT / "istio" / "base", *OVERLAYS]
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@functools.cache
def composed() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
        "services"
    ]
    return services


PLACES = read_inventory(ROOT / "compose" / "pods.yaml")


def resources(folder: Path) -> tuple[Resource, ...]:
    """The objects of a kustomization."""
    return loaded(folder).resources


@functools.cache
def workloads(folder: Path) -> list[Workload]:
    """The Deployments of a kustomization whose pods are no gateways."""
    found = [workload(resource) for resource in resources(folder) if resource.kind == "Deployment"]
    return [each for each in found if not each.is_gateway]


def places_of(wanted: Workload) -> list[PodEntry]:
    """The entries of compose/pods.yaml for its pods."""
    subject = f"{wanted.namespace}/{wanted.name}"
    return [place for place in PLACES.pods if place.workload == subject]


def names(folder: Path) -> set[str]:
    """The names of the pods of a kustomization, from compose/pods.yaml."""
    return {place.name for wanted in workloads(folder) for place in places_of(wanted)[: wanted.replicas]}


def applications(place: PodEntry) -> list[dict[str, Any]]:
    """The containers of a pod's application: those with its name in POD_NAME."""
    return [
        service
        for service in composed().values()
        if (service.get("environment") or {}).get("POD_NAME") == place.name
    ]


def has_sidecar(place: PodEntry) -> bool:
    """Whether a service runs an Envoy as the pod's sidecar."""
    sidecar = f"{place.name}.{place.namespace}"
    return any(sidecar in (service.get("command") or ()) for service in composed().values())


def filled(text: str) -> str:
    """The text with its variables replaced by their defaults."""
    return VARIABLE.sub(r"\2", text)
