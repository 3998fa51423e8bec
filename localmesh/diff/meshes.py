"""The difference between two meshes: their objects, their proxies, and what changes for which proxies."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from localmesh.catalog import LOOPBACK, Address, Proxy, ProxyKind, build
from localmesh.catalog.addressing import SyntheticAllocator, placed
from localmesh.catalog.workload import Workload
from localmesh.diff.names import Names, ProxyName
from localmesh.diff.objects import ObjectChange, object_changes
from localmesh.diff.proxies import Change, Comparison, ResourceEdit
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.service import SERVICE
from localmesh.kinds.service_entry import SERVICE_ENTRY
from localmesh.kinds.sidecar import SIDECAR
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import LoadResult, Resource
from localmesh.translate import ProxyConfig, TranslationCache, translate


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many proxies a workload has, where that differs."""

    workload: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class SharedChange:
    """A change and the proxies that it concerns; `edits` has it in the configuration of some of these."""

    proxies: tuple[str, ...]
    subject: str
    part: str
    text: str
    edits: tuple[tuple[tuple[str, ...], tuple[ResourceEdit, ...]], ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that differs between two meshes; false if nothing does.

    `unchanged`: the workloads whose proxies keep their configuration.
    """

    objects: tuple[ObjectChange, ...]
    replicas: tuple[Replicas, ...]
    changes: tuple[SharedChange, ...]
    unchanged: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.objects or self.replicas or self.changes)


_OF_SIDECARS = (SERVICE, SERVICE_ENTRY, SIDECAR, VIRTUAL_SERVICE, DESTINATION_RULE)
_Configs = Mapping[ProxyName, tuple[ProxyKind, ProxyConfig]]


class _StableAllocator(SyntheticAllocator):
    """Names and addresses that a pod keeps when its template or the pods around it change."""

    def pod(self, workload: Workload, ordinal: int) -> str:
        """The workload's name and the ordinal."""
        return f"{workload.name}-{ordinal}"

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """The workload's name and the ordinal."""
        return self.pod(workload, ordinal)

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """The pod's address."""
        return self.inbound(f"{workload.namespace}/{self.pod(workload, ordinal)}", port)


def compare(before: LoadResult, after: LoadResult) -> Difference:
    """The difference between two sets of objects, each translated for the proxies that it would run."""
    addresses, cache = _StableAllocator(), TranslationCache()
    meshes = [placed(build(loaded.resources), addresses) for loaded in (before, after)]
    imagined = _imagined([*before.resources, *after.resources], [*meshes[0][1], *meshes[1][1]])
    old, new = (
        {ProxyName.of(proxy): (proxy.kind, translate(catalog, proxy, cache)) for proxy in (*known, *imagined)}
        for catalog, known in meshes
    )
    names = Names([*old, *new])
    common = [name for name in old if name in new]
    comparison = Comparison()
    changes = {name: comparison.changes(old[name][1], new[name][1], new[name][0]) for name in common}
    return Difference(
        objects=tuple(object_changes(before, after)),
        replicas=tuple(_replicas(old, new, names)),
        changes=tuple(_shared(changes, names)),
        unchanged=names.shown([name for name in common if not changes[name]], common),
    )


def _imagined(resources: Iterable[Resource], known: Iterable[Proxy]) -> list[Proxy]:
    """A sidecar for each namespace that has objects for sidecars and no workload to show them by."""
    occupied = {proxy.namespace for proxy in known if proxy.kind is ProxyKind.SIDECAR}
    namespaces = {resource.namespace for resource in resources if any(map(resource.is_a, _OF_SIDECARS))}
    return [
        Proxy(
            kind=ProxyKind.SIDECAR,
            namespace=namespace,
            workload=f"any sidecar in {namespace}",
            name="imagined-0",
            labels={},
            outbound=Address(LOOPBACK, 15001),
        )
        for namespace in sorted(namespaces - occupied)
    ]


def _replicas(old: _Configs, new: _Configs, names: Names) -> Iterator[Replicas]:
    before, after = (Counter(name[:2] for name in configs) for configs in (old, new))
    for workload in sorted({*before, *after}):
        if before[workload] != after[workload]:
            yield Replicas(names.workload(*workload), before[workload], after[workload])


def _shared(changes: Mapping[ProxyName, Iterable[Change]], names: Names) -> Iterator[SharedChange]:
    """Each change once, with the proxies that have it; in the order of the first proxy."""
    by_text: dict[tuple[str, str, str], dict[ProxyName, tuple[ResourceEdit, ...]]] = {}
    for name, own in changes.items():
        for change in own:
            by_text.setdefault((change.subject, change.part, change.text), {})[name] = change.edits
    for (subject, part, text), concerned in by_text.items():
        shown = names.shown(concerned, changes)
        yield SharedChange(shown, subject, part, text, tuple(_by_edits(concerned, changes, names)))


def _by_edits(
    concerned: Mapping[ProxyName, tuple[ResourceEdit, ...]], among: Mapping[ProxyName, object], names: Names
) -> Iterator[tuple[tuple[str, ...], tuple[ResourceEdit, ...]]]:
    """The proxies with equal edits."""
    groups: dict[str, list[ProxyName]] = {}
    for name, edits in concerned.items():
        groups.setdefault(_key(edits), []).append(name)
    for members in groups.values():
        yield names.shown(members, among), concerned[members[0]]


def _key(edits: Iterable[ResourceEdit]) -> str:
    return json.dumps(
        [[part.resource, part.edit.path, part.edit.before, part.edit.after] for part in edits], default=str
    )
