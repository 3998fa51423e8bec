"""A snapshot of the objects of one namespace, from which proofs read what they expect."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
"""A Kubernetes object as its JSON."""

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|ns|m|s)")


class NotConfigured(Exception):  # noqa: N818 (a finding, not an error of the program)
    """The configuration lacks what the scenario shows: FAIL, with what is there and what to apply."""


class UnsupportedConfig(Exception):  # noqa: N818
    """The configuration has something whose effect is not computed here: INCONCLUSIVE."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The objects of one namespace, without the status that controllers report of them, except for pods.

    `policies_changed` is when the newest security policy was created or last changed (Unix time); None
    where the API has no times, as on a local mesh.
    """

    namespace: str
    virtual_services: tuple[Object, ...] = ()
    destination_rules: tuple[Object, ...] = ()
    services: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()
    authorization_policies: tuple[Object, ...] = ()
    request_authentications: tuple[Object, ...] = ()
    peer_authentications: tuple[Object, ...] = ()
    sidecars: tuple[Object, ...] = ()
    service_entries: tuple[Object, ...] = ()
    envoy_filters: tuple[Object, ...] = ()
    gateways: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    policies_changed: float | None = None

    def rules_of(self, service: str) -> list[Object]:
        """The DestinationRules for the host of a Service."""
        host = qualified(service, self.namespace)
        return [
            rule for rule in self.destination_rules if qualified(rule["spec"]["host"], self.namespace) == host
        ]

    def deployments_with(self, labels: Mapping[str, str]) -> list[Object]:
        """The Deployments whose pods have these labels."""
        return [item for item in self.deployments if labels.items() <= pod_labels(item).items()]

    def labels_of(self, service: str) -> Mapping[str, str]:
        """The labels of a service's pods, which `sourceLabels` compares when they call another service."""
        deployments = self.deployments_with({"app": service})
        return pod_labels(deployments[0]) if deployments else {"app": service}

    def pods_of(self, service: str, version: str | None = None) -> list[Object]:
        """The pods of a service, or of one version of it."""
        labels = {"app": service} | ({} if version is None else {"version": version})
        return [pod for pod in self.pods if labels.items() <= (pod["metadata"].get("labels") or {}).items()]


def pod_labels(deployment: Object) -> Mapping[str, str]:
    """The labels of the pods of a Deployment."""
    return deployment["spec"]["template"]["metadata"].get("labels") or {}


def qualified(host: str, namespace: str) -> str:
    """The full name of a host: one without a dot is a Service of the namespace."""
    return host if "." in host or host == "*" else f"{host}.{namespace}.svc.cluster.local"


def service_name(host: str) -> str:
    """The name of the Service in a host.

    >>> service_name("logic.sentimesh.svc.cluster.local"), service_name("logic")
    ('logic', 'logic')
    """
    return str(host).partition(".")[0]


def oldest_first(objects: Iterable[Object]) -> list[Object]:
    """Istio's order of precedence: creation time, then name."""
    return sorted(
        objects,
        key=lambda item: (item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]),
    )


def seconds(text: str) -> float:
    """A duration as Istio's resources write it, in seconds.

    >>> seconds("500ms"), seconds("1m30s")
    (0.5, 90.0)
    """
    if not text or _PART.sub("", text):
        raise UnsupportedConfig(f'"{text}" is not a duration such as 500ms or 2s')
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
