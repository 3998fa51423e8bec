"""The clusters of a proxy as destinations: which pods are behind each, and how each of them is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localmesh.catalog import Pod
from localmesh.explain.explanation import Destination, Setting
from localmesh.translate.formats import BLACK_HOLE, PASSTHROUGH, is_passed_on

Json = Mapping[str, Any]
Endpoint = tuple[str, int]

_TLS = "envoy.transport_sockets.tls"
_MATCH_METADATA = "envoy.transport_socket_match"


@dataclass(frozen=True, slots=True)
class CalledPods:
    """The pods of one workload behind a cluster, which are all called in the same way.

    `address` is that of the first; `socket` is the transport socket, None for plain text.
    """

    first: Pod
    names: tuple[str, ...]
    address: Endpoint
    socket: Json | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """A cluster: as a destination of all requests, in Envoy's form, and the pods behind it by workload."""

    destination: Destination
    cluster: Json | None = None
    called: tuple[CalledPods, ...] = ()

    def of_pod(self, pod: str) -> Upstream:
        """The same for connections to one of the pods, if the cluster lets callers choose."""
        if "lbSubsetConfig" not in (self.cluster or {}):
            return self
        called = tuple(replace(each, names=(pod,)) for each in self.called if pod in each.names)
        pods = tuple(name for each in called for name in each.names)
        return replace(self, destination=replace(self.destination, pods=pods), called=called)


class Upstreams:
    """The clusters of all proxies that have the same; each is looked at once."""

    def __init__(
        self,
        clusters: tuple[Json, ...],
        assignments: tuple[Json, ...],
        pods: Mapping[Endpoint, Pod],
        settings: Callable[[Json], tuple[Setting, ...]],
    ) -> None:
        self._clusters = {cluster["name"]: cluster for cluster in clusters}
        self._assignments = {assignment["clusterName"]: assignment for assignment in assignments}
        self._pods = pods
        self._settings = settings
        self._known: dict[str, Upstream] = {}

    def named(self, name: str) -> Upstream:
        """The cluster of that name, whether the proxy has it or not."""
        if name not in self._known:
            self._known[name] = self._upstream(name)
        return self._known[name]

    def _upstream(self, name: str) -> Upstream:
        cluster = self._clusters.get(name)
        if name in (PASSTHROUGH, BLACK_HOLE):
            return Upstream(Destination(name, is_external=True), cluster)
        if "|" not in name:  # a backend that must not be used
            return Upstream(Destination(name, exists=False), cluster)
        if is_passed_on(name):
            _, port, host = name.split("|")
            subset = ""
        else:
            _, port, subset, host = name.split("|")
        if cluster is None:
            return Upstream(Destination(name, host, int(port), subset, exists=False))
        endpoints = list(self._endpoints(cluster))
        own = [address for address, _ in endpoints if address in self._pods]
        destination = Destination(
            name,
            host,
            int(port),
            subset,
            is_external="clusterType" in cluster or (bool(endpoints) and not own),
            pods=tuple(self._pods[address].name for address in own),
            endpoints=tuple(f"{address}:{number}" for (address, number), _ in endpoints),
            settings=self._settings(cluster),
        )
        return Upstream(destination, cluster, tuple(self._called(cluster, endpoints)))

    def _endpoints(self, cluster: Json) -> Iterator[tuple[Endpoint, Json]]:
        """The address of each endpoint, and the metadata that TLS is chosen by."""
        assignment = cluster.get("loadAssignment") or self._assignments.get(cluster["name"]) or {}
        for locality in assignment.get("endpoints", ()):
            for endpoint in locality["lbEndpoints"]:
                address = endpoint["endpoint"]["address"]["socketAddress"]
                metadata = endpoint.get("metadata", {}).get("filterMetadata", {})
                yield (address["address"], address["portValue"]), metadata

    def _called(self, cluster: Json, endpoints: list[tuple[Endpoint, Json]]) -> Iterator[CalledPods]:
        groups: dict[tuple[str, str, bool], list[tuple[Pod, Endpoint, Json | None]]] = {}
        for address, metadata in endpoints:
            pod = self._pods.get(address)
            if pod is not None:
                socket = _transport_socket(cluster, metadata)
                key = pod.namespace, pod.workload, socket is None
                groups.setdefault(key, []).append((pod, address, socket))
        for group in groups.values():
            pod, address, socket = group[0]
            yield CalledPods(pod, tuple(pod.name for pod, _, _ in group), address, socket)


def _transport_socket(cluster: Json, metadata: Json) -> Json | None:
    """The transport socket with which a cluster calls an endpoint with this metadata; None: plain text."""
    marks = metadata.get(_MATCH_METADATA) or {}
    for entry in cluster.get("transportSocketMatches") or ():
        if all(marks.get(key) == value for key, value in (entry.get("match") or {}).items()):
            socket: Json = entry["transportSocket"]
            return socket if socket["name"] == _TLS else None
    socket_of_cluster: Json | None = cluster.get("transportSocket")
    return socket_of_cluster
