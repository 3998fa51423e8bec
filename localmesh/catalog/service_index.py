"""Which Services select which pods, found without asking every Service about every pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from localmesh.catalog.proxies import Pod
from localmesh.catalog.services import Service


class ServiceIndex:
    """Services by one label of their selector, which every pod behind them must have."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._by_label: dict[tuple[str, str, str], list[Service]] = {}
        for service in services:
            if service.selector:
                label = min(service.selector.items())
                self._by_label.setdefault((service.namespace, *label), []).append(service)

    def services_of(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """The Services behind which pods with these labels are, by host."""
        candidates = (
            service for label in labels.items() for service in self._by_label.get((namespace, *label), ())
        )
        found = [service for service in candidates if service.selects(namespace, labels)]
        return sorted(found, key=lambda service: service.host)

    def pods_by_host(self, pods: Iterable[Pod]) -> Mapping[str, tuple[Pod, ...]]:
        """The pods behind each Service that has any, in their order."""
        found: dict[str, list[Pod]] = {}
        for pod in pods:
            for service in self.services_of(pod.namespace, pod.labels):
                found.setdefault(service.host, []).append(pod)
        return {host: tuple(behind) for host, behind in found.items()}
