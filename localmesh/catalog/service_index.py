"""Which Services select which pods and workloads, found without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from localmesh.catalog.services import Service


class Labelled(Protocol):
    """A pod or workload: what the selector of a Service is compared with."""

    @property
    def namespace(self) -> str:
        """Its namespace."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels, or those of its pods."""


Selected = TypeVar("Selected", bound=Labelled)


class ServiceIndex:
    """Services by one label of their selector, which every pod behind them must have."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._by_label: dict[tuple[str, str, str], list[Service]] = {}
        for service in services:
            if service.selector:
                label = min(service.selector.items())
                self._by_label.setdefault((service.namespace, *label), []).append(service)

    def services_of(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """The Services that select pods with these labels, by host."""
        candidates = (
            service for label in labels.items() for service in self._by_label.get((namespace, *label), ())
        )
        selecting = [service for service in candidates if service.selects(namespace, labels)]
        return sorted(selecting, key=lambda service: service.host)

    def by_host(self, pods: Iterable[Selected]) -> Mapping[str, tuple[Selected, ...]]:
        """The pods or workloads behind each Service that has any, in their order."""
        behind: dict[str, list[Selected]] = {}
        for pod in pods:
            for service in self.services_of(pod.namespace, pod.labels):
                behind.setdefault(service.host, []).append(pod)
        return {host: tuple(selected) for host, selected in behind.items()}
