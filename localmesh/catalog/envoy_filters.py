"""EnvoyFilters: patches of the configuration that Istio makes, in the order in which they apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localmesh import ISTIO_VERSION
from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.objects import Objects
from localmesh.catalog.security import ROOT_NAMESPACE, PolicyScope, policy_scope
from localmesh.kinds.envoy_filter import ENVOY_FILTER, MESSAGES
from localmesh.manifests import Resource

Json = Mapping[str, Any]

_INSERTED = frozenset({"LISTENER_FILTER", "NETWORK_FILTER", "HTTP_FILTER", "HTTP_ROUTE"})
_PROXY_VERSION = f"{ISTIO_VERSION}.0"


@dataclass(frozen=True, slots=True)
class Patch:
    """One of the patches; `value` is a document of the message of `applies_to`, None where it removes.

    `index` is its place in `configPatches`.
    """

    applies_to: str
    context: str
    operation: str
    match: Json = field(hash=False)
    value: Json | None = field(hash=False)
    index: int = 0

    @property
    def merges(self) -> bool:
        """Whether the value is merged into what matches."""
        return self.operation in ("MERGE", "MERGE_AND_REPLACE_LIST")

    def is_for(self, context: str) -> bool:
        """Whether it applies to this kind of traffic of a proxy."""
        return self.context in ("ANY", context)


@dataclass(frozen=True, slots=True)
class EnvoyFilter:
    """One object."""

    namespace: str
    name: str
    scope: PolicyScope
    priority: int
    patches: tuple[Patch, ...]


def envoy_filters(
    objects: Objects, conversions: ConversionCache, root: str = ROOT_NAMESPACE
) -> tuple[EnvoyFilter, ...]:
    """The EnvoyFilters, in the order in which they apply: by priority, the root namespace first, by age."""
    filters = [conversions.of(resource, _converted) for resource in objects.of(ENVOY_FILTER)]
    if root != ROOT_NAMESPACE:
        filters = [replace(each, scope=replace(each.scope, root=root)) for each in filters]
    return tuple(sorted(filters, key=lambda each: (each.priority, not each.scope.is_of_mesh)))


def filters_for(
    filters: Iterable[EnvoyFilter], namespace: str, labels: Mapping[str, str]
) -> tuple[EnvoyFilter, ...]:
    """The EnvoyFilters that select a workload."""
    return tuple(each for each in filters if each.scope.includes(namespace, labels))


def _converted(resource: Resource) -> EnvoyFilter:
    spec = resource.spec
    scope = policy_scope(resource)
    labels = dict((spec.get("workloadSelector") or {}).get("labels") or {})
    return EnvoyFilter(
        namespace=resource.namespace,
        name=resource.name,
        scope=scope if spec.get("targetRefs") else PolicyScope(resource.namespace, labels),
        priority=int(spec.get("priority", 0)),
        patches=tuple(
            _patch(entry, index)
            for index, entry in enumerate(spec.get("configPatches") or ())
            if _fits(entry)
        ),
    )


def _fits(entry: Json) -> bool:
    """Whether the patch is for proxies of this version that are not waypoints."""
    match = entry.get("match") or {}
    version = (match.get("proxy") or {}).get("proxyVersion")
    is_own_version = not version or _is_own(version)
    return is_own_version and match.get("context") != "WAYPOINT"


def _is_own(version: str) -> bool:
    import re2

    return re2.search(version, _PROXY_VERSION) is not None


def _patch(entry: Json, index: int) -> Patch:
    """istio: pilot/pkg/model/envoyfilter.go, `convertToEnvoyFilterWrapper`."""
    from localmesh.envoy_messages.documents import normalized

    applies_to, match = entry["applyTo"], entry.get("match") or {}
    operation, value = entry["patch"]["operation"], entry["patch"].get("value")
    if operation.startswith("INSERT_") and applies_to not in _INSERTED:
        operation = "ADD"
    return Patch(
        applies_to,
        match.get("context", "ANY"),
        operation,
        match,
        None if value is None else normalized(MESSAGES[applies_to], value),
        index,
    )
