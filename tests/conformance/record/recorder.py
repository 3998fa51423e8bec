"""From one case to the next: only what differs is applied or deleted, so that pods are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.conformance.case import Case
from tests.conformance.record import cluster
from tests.conformance.record.cluster import ClusterError, ProxyPod
from tests.conformance.record.stand_ins import OWNER, OWNER_LABEL, objects
from tests.conformance.record.sync import Marks, remove_mark, wait_for_objects, wait_for_services
from tests.conformance.recorded import Recording, write

Json = dict[str, Any]
_WORKLOADS = frozenset({"Deployment", "Service", "ServiceAccount", "Namespace"})


class Recorder:
    """Keeps the cluster at one case at a time. `close` leaves nothing behind."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._version = cluster.istio_version()
        self._marks = Marks()
        self._wanted: dict[str, Json] = {}
        self._applied: dict[str, Json] = {}
        self._pods: list[ProxyPod] = []

    def record(self, case: Case) -> None:
        """Brings the cluster to a case and writes what every proxy was told."""
        is_same = self._become({_key(each): each for each in objects(case.resources(), self._image)})
        wait_for_objects(self._applied.values())
        if not is_same:
            wait_for_services(self._applied.values())
            self._pods = cluster.proxy_pods(self._namespaces())
        found = self._marks.elements(self._pods, self._workloads())
        while not is_same:
            # endpoints reach istiod on a way of their own: they are all there when nothing is added any more
            before, found = found, self._marks.elements(self._pods, self._workloads())
            is_same = before == found
        write(case, Recording(self._version, found))

    def close(self) -> None:
        """Deletes everything that was applied."""
        remove_mark()
        self._become({})

    def _become(self, wanted: dict[str, Json]) -> bool:
        """Applies and deletes what it takes; gives whether all pods and Services are as before."""
        others = {key: each for key, each in self._wanted.items() if key not in wanted}
        changed = {key: each for key, each in wanted.items() if self._wanted.get(key) != each}
        self._check_namespaces(changed.values())
        cluster.delete(reversed(others.values()))
        for key in others:
            del self._wanted[key], self._applied[key]
        self._apply(changed)
        is_same = not any(each["kind"] in _WORKLOADS for each in (*others.values(), *changed.values()))
        if not is_same:
            self._wait_for_pods()
        return is_same

    def _apply(self, changed: dict[str, Json]) -> None:
        """All of these, or none: what came before a refused one is taken back."""
        try:
            applied = cluster.apply(changed.values())
        except ClusterError:
            cluster.delete(reversed(changed.values()))
            for key in changed:
                self._wanted.pop(key, None)
                self._applied.pop(key, None)
            raise
        self._applied |= {_key(each): each for each in applied}
        self._wanted |= changed

    def _namespaces(self) -> list[str]:
        return [each["metadata"]["name"] for each in self._wanted.values() if each["kind"] == "Namespace"]

    def _workloads(self) -> set[str]:
        deployments = (each["metadata"] for each in self._wanted.values() if each["kind"] == "Deployment")
        return {f"{each['name']}.{each['namespace']}" for each in deployments}

    def _check_namespaces(self, wanted: Iterable[Json]) -> None:
        """A namespace that someone else made is not touched."""
        new = {each["metadata"]["name"] for each in wanted if each["kind"] == "Namespace"}
        for each in cluster.items("namespaces"):
            metadata = each["metadata"]
            if metadata["name"] in new and metadata.get("labels", {}).get(OWNER_LABEL) != OWNER:
                raise ClusterError(f"there is a namespace {metadata['name']} already: delete it first")

    def _wait_for_pods(self) -> None:
        """Until exactly the pods that are wanted run, all ready, and none is on its way out."""
        cluster.until(
            lambda: all(_is_settled(namespace) for namespace in self._namespaces()),
            "exactly the pods that are wanted",
        )


def _is_settled(namespace: str) -> bool:
    deployments = cluster.items("deployments", "-n", namespace)
    replicas = sum(each["spec"]["replicas"] for each in deployments)
    return all(map(_is_available, deployments)) and len(cluster.items("pods", "-n", namespace)) == replicas


def _is_available(deployment: Json) -> bool:
    """Whether all pods are of its newest template and available."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    seen: bool = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return seen and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == wanted


def _key(item: Json) -> str:
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    return f"{group} {item['kind']} {metadata.get('namespace', '')} {metadata['name']}"
