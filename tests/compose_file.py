"""docker-compose.yml and the manifests, as tests compare them."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

from localmesh.catalog.workload import Workload, workload
from localmesh.manifests import Resource, load
from localmesh.runtime.external.inventory import PodEntry, read_inventory
from tests.kustomize_builds import FOR_CONTROLLERS
from tests.live import ROOT

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


@functools.cache
def resources(folder: Path) -> tuple[Resource, ...]:
    """What a kustomization builds."""
    return tuple(load(kustomizations=[folder]).resources)


@functools.cache
def workloads(folder: Path) -> list[Workload]:
    """The Deployments of a kustomization."""
    return [workload(each) for each in resources(folder) if each.kind == "Deployment"]


def places_of(wanted: Workload) -> list[PodEntry]:
    """Where its pods are."""
    subject = f"{wanted.namespace}/{wanted.name}"
    return [place for place in PLACES.pods if place.workload == subject]


def names(folder: Path) -> set[str]:
    """The pods that a kustomization wants, by the names of their places."""
    return {place.name for each in workloads(folder) for place in places_of(each)[: each.replicas]}


def applications(place: PodEntry) -> list[dict[str, Any]]:
    """The containers of a pod's application: those that call themselves by the pod's name."""
    return [
        service
        for service in composed().values()
        if (service.get("environment") or {}).get("POD_NAME") == place.name
    ]


def has_sidecar(place: PodEntry) -> bool:
    """Whether there is an Envoy that asks to be the pod's."""
    whose = f"{place.name}.{place.namespace}"
    return any(whose in (service.get("command") or ()) for service in composed().values())


def filled(text: str) -> str:
    """With the defaults of its variables."""
    return VARIABLE.sub(r"\2", text)
