"""Recording of cases in sequence: only differences are applied or deleted, so that pods are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from localmesh.kinds.gateway_api import GROUP as GATEWAY_API
from tests.conformance import statuses
from tests.conformance.case import Case
from tests.conformance.record import cluster
from tests.conformance.record.cluster import ClusterError, ProxyPod
from tests.conformance.record.stand_ins import OWNER, OWNER_LABEL, objects, workloads_of
from tests.conformance.record.sync import Marks, remove_mark, wait_for_objects, wait_for_services
from tests.conformance.recorded import Recording, write

Json = dict[str, Any]
_WORKLOADS = frozenset({"Deployment", "Service", "ServiceAccount", "Namespace"})


class Recorder:
    """Applies one case at a time to the cluster; `close` deletes everything."""

    def __init__(self, image: str) -> None:
        self._image = image
        self._version = cluster.istio_version()
        self._marks = Marks()
        self._wanted: dict[str, Json] = {}
        self._applied: dict[str, Json] = {}
        self._pods: list[ProxyPod] = []

    def record(self, case: Case) -> None:
        """Applies a case to the cluster and records the configuration of every proxy."""
        wanted = {_key(item): item for item in objects(case.resources(), self._image)}
        is_same = self._update(wanted)
        wait_for_objects(self._applied.values())
        if not is_same:
            wait_for_services(self._applied.values())
            self._pods = cluster.proxy_pods(self._namespaces())
        elements = self._marks.elements(self._pods, self._workloads())
        while not is_same:
            # endpoints reach istiod separately: they are complete once nothing changes any more
            before, elements = elements, self._marks.elements(self._pods, self._workloads())
            is_same = before == elements
        write(case, Recording(self._version, elements))
        statuses.write(case, self._statuses())

    def _statuses(self) -> dict[str, Json]:
        """The statuses of the case's objects of the Gateway API, once istiod has written them."""
        own = [item for item in self._wanted.values() if item["apiVersion"].startswith(GATEWAY_API)]
        return {
            statuses.key(
                item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]
            ): status
            for item in own
            if (status := cluster.status_of(item))
        }

    def close(self) -> None:
        """Deletes everything that was applied."""
        remove_mark()
        self._update({})

    def _update(self, wanted: dict[str, Json]) -> bool:
        """Applies and deletes objects as needed; returns whether all pods and Services are unchanged."""
        others = {key: item for key, item in self._wanted.items() if key not in wanted}
        changed = {key: item for key, item in wanted.items() if self._wanted.get(key) != item}
        self._check_namespaces(changed.values())
        cluster.delete(reversed(others.values()))
        for key in others:
            del self._wanted[key], self._applied[key]
        self._apply(changed)
        is_same = not any(item["kind"] in _WORKLOADS for item in (*others.values(), *changed.values()))
        if not is_same:
            self._wait_for_pods()
        return is_same

    def _apply(self, changed: dict[str, Json]) -> None:
        """Applies all of the objects, or none: if one is refused, the others are deleted."""
        try:
            applied = cluster.apply(changed.values())
        except ClusterError:
            cluster.delete(reversed(changed.values()))
            for key in changed:
                self._wanted.pop(key, None)
                self._applied.pop(key, None)
            raise
        self._applied |= {_key(item): item for item in applied}
        self._wanted |= changed

    def _namespaces(self) -> list[str]:
        return [item["metadata"]["name"] for item in self._wanted.values() if item["kind"] == "Namespace"]

    def _workloads(self) -> set[str]:
        return {name for item in self._wanted.values() for name in workloads_of(item)}

    def _check_namespaces(self, wanted: Iterable[Json]) -> None:
        """Raises ClusterError if a namespace exists that the recorder has not created."""
        new = {item["metadata"]["name"] for item in wanted if item["kind"] == "Namespace"}
        for namespace in cluster.items("namespaces"):
            metadata = namespace["metadata"]
            if metadata["name"] in new and metadata.get("labels", {}).get(OWNER_LABEL) != OWNER:
                raise ClusterError(f"the namespace {metadata['name']} already exists; delete it first")

    def _wait_for_pods(self) -> None:
        """Waits until exactly the expected pods run, all of them ready and none of them terminating."""
        cluster.until(
            lambda: all(_is_settled(namespace) for namespace in self._namespaces()),
            "exactly the expected pods to run",
        )


def _is_settled(namespace: str) -> bool:
    deployments = cluster.items("deployments", "-n", namespace)
    replicas = sum(deployment["spec"]["replicas"] for deployment in deployments)
    return all(map(_is_available, deployments)) and len(cluster.items("pods", "-n", namespace)) == replicas


def _is_available(deployment: Json) -> bool:
    """Whether all pods have the newest template and are available."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    seen: bool = status.get("observedGeneration") == deployment["metadata"]["generation"]
    return seen and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == wanted


def _key(item: Json) -> str:
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    return f"{group} {item['kind']} {metadata.get('namespace', '')} {metadata['name']}"
