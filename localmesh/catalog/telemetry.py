"""Telemetry objects: what proxies report, for the mesh, a namespace or a workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.objects import Objects
from localmesh.catalog.security import ROOT_NAMESPACE, PolicyScope, policy_scope
from localmesh.kinds.telemetry import TELEMETRY

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One object: its scope and its parts, each a list in which later entries add to earlier ones."""

    scope: PolicyScope
    metrics: tuple[Settings, ...]
    tracing: tuple[Settings, ...]
    access_logging: tuple[Settings, ...]

    @property
    def is_wide(self) -> bool:
        """Whether it is for a whole namespace, or in the root namespace for the mesh."""
        return not self.scope.labels and self.scope.gateways is None

    def __hash__(self) -> int:
        return hash(self.scope.namespace)


def telemetries(objects: Objects, root: str = ROOT_NAMESPACE) -> tuple[Telemetry, ...]:
    """The Telemetry objects, oldest first."""
    return tuple(
        Telemetry(
            scope=policy_scope(resource, root),
            metrics=_entries(resource.spec, "metrics"),
            tracing=_entries(resource.spec, "tracing"),
            access_logging=_entries(resource.spec, "accessLogging"),
        )
        for resource in objects.of(TELEMETRY)
    )


def telemetries_for(
    objects: tuple[Telemetry, ...], namespace: str, labels: Mapping[str, str], root: str
) -> tuple[Telemetry, ...]:
    """Those that apply to a workload: the mesh's, its namespace's, then those that select it.

    Of several for one whole namespace the oldest counts (istio: Telemetries.applicableTelemetries).
    """
    wide = [
        next((item for item in objects if item.is_wide and item.scope.namespace == owner), None)
        for owner in dict.fromkeys((root, namespace))
    ]
    own = (item for item in objects if not item.is_wide and item.scope.namespace == namespace)
    selecting = (item for item in own if item.scope.selects(labels))
    return (*(item for item in wide if item is not None), *selecting)


def _entries(spec: Settings, name: str) -> tuple[Settings, ...]:
    return tuple(entry or {} for entry in spec.get(name) or ())
