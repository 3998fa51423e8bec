"""All objects of a load side by side, so that each can be asked for by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from localmesh.formats.hostnames import full_host, overlap, service_host
from localmesh.manifests.resources import Resource
from localmesh.problems.fields import Field


@dataclass(frozen=True, slots=True)
class Service:
    """A Service as others refer to it."""

    resource: Resource

    @property
    def host(self) -> str:
        """The full DNS name."""
        return service_host(self.resource.name, self.resource.namespace)

    @property
    def subject(self) -> str:
        """The Service as people name it."""
        return self.resource.place.subject

    @property
    def ports(self) -> tuple[int, ...]:
        """The numbers of its ports."""
        entries = self.resource.root.get("spec", "ports").items()
        return tuple(number for entry in entries if (number := entry.get("port").integer) is not None)

    @property
    def selector(self) -> Mapping[str, str]:
        """The labels of its pods; empty if it has none of its own."""
        return self.resource.spec.get("selector") or {}


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a Deployment."""

    resource: Resource

    @property
    def spec(self) -> Field:
        """The spec of each pod."""
        return self.resource.root.get("spec", "template", "spec")

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of each pod."""
        labels: Mapping[str, str] | None = self.resource.root.get(
            "spec", "template", "metadata", "labels"
        ).value
        return labels or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of each pod."""
        annotations: Mapping[str, str] | None = self.resource.root.get(
            "spec", "template", "metadata", "annotations"
        ).value
        return annotations or {}

    @property
    def port_names(self) -> tuple[str, ...]:
        """The names of the ports that its containers declare."""
        return tuple(
            name
            for container in self.spec.get("containers").items()
            for port in container.get("ports").items()
            if (name := port.get("name").text)
        )


class World:
    """The objects of one load."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_kind: dict[str, list[Resource]] = {}
        for resource in resources:
            self._by_kind.setdefault(resource.kind, []).append(resource)

    def all(self, kind: str) -> list[Resource]:
        """The objects of a kind, in their order."""
        return self._by_kind.get(kind, [])

    @cached_property
    def services(self) -> Mapping[str, Service]:
        """The Services by their full host."""
        return {(service := Service(resource)).host: service for resource in self.all("Service")}

    @cached_property
    def named(self) -> Mapping[tuple[str, str, str], Resource]:
        """All objects by kind, namespace and name."""
        return {
            (resource.kind, resource.namespace, resource.name): resource
            for resources in self._by_kind.values()
            for resource in resources
        }

    @cached_property
    def _pods(self) -> Mapping[str, list[Pods]]:
        pods: dict[str, list[Pods]] = {}
        for resource in self.all("Deployment"):
            pods.setdefault(resource.namespace, []).append(Pods(resource))
        return pods

    def pods_in(self, namespace: str) -> list[Pods]:
        """The pods of all Deployments of a namespace."""
        return self._pods.get(namespace, [])

    @cached_property
    def _pods_by_label(self) -> Mapping[tuple[str, str, str], list[Pods]]:
        pods: dict[tuple[str, str, str], list[Pods]] = {}
        for namespace, all_pods in self._pods.items():
            for each in all_pods:
                for key, value in each.labels.items():
                    pods.setdefault((namespace, key, value), []).append(each)
        return pods

    def pods_with(self, namespace: str, labels: Mapping[str, str]) -> list[Pods]:
        """The pods of a namespace that have all these labels; by an index, for there may be thousands."""
        if not labels:
            return self.pods_in(namespace)
        candidates = [self._pods_by_label.get((namespace, *item), []) for item in labels.items()]
        wanted = labels.items()
        return [pods for pods in min(candidates, key=len) if wanted <= pods.labels.items()]

    def pods_with_any(self, namespace: str, labels: Mapping[str, str]) -> list[Pods]:
        """The pods of a namespace that have at least one of these labels."""
        return [pods for item in labels.items() for pods in self._pods_by_label.get((namespace, *item), [])]

    def pods_of(self, service: Service) -> list[Pods]:
        """The pods that a Service selects."""
        return self.pods_with(service.resource.namespace, service.selector)

    @cached_property
    def services_by_name(self) -> Mapping[str, list[Service]]:
        """The Services of each name, in whatever namespace."""
        services: dict[str, list[Service]] = {}
        for service in self.services.values():
            services.setdefault(service.resource.name, []).append(service)
        return services

    @cached_property
    def names_by_namespace(self) -> Mapping[str, list[str]]:
        """The names of the Services of each namespace."""
        names: dict[str, list[str]] = {}
        for service in self.services.values():
            names.setdefault(service.resource.namespace, []).append(service.resource.name)
        return names

    def services_at(self, host: str) -> Iterator[Service]:
        """The Services that a full host, perhaps with a wildcard, stands for."""
        if not host.startswith("*"):
            if service := self.services.get(host):
                yield service
            return
        yield from (service for service in self.services.values() if overlap(host, service.host))

    @cached_property
    def _outside(self) -> list[str]:
        return [
            str(host).lower() for entry in self.all("ServiceEntry") for host in entry.spec.get("hosts") or ()
        ]

    def is_outside(self, host: str) -> bool:
        """Whether a ServiceEntry names a full host, perhaps with a wildcard."""
        return any(overlap(each, host) for each in self._outside)

    @cached_property
    def _rules(self) -> Mapping[str, list[Resource]]:
        rules: dict[str, list[Resource]] = {}
        for rule in self.all("DestinationRule"):
            rules.setdefault(full_host(str(rule.spec.get("host", "")), rule.namespace), []).append(rule)
        return rules

    @cached_property
    def _wildcard_rules(self) -> list[str]:
        return [host for host in self._rules if host.startswith("*")]

    def rules_for(self, host: str) -> list[Resource]:
        """The DestinationRules whose host is or covers a full host."""
        covering = [
            rule for each in self._wildcard_rules if overlap(each, host) for rule in self._rules[each]
        ]
        return [*self._rules.get(host, []), *covering]
