"""From one case to the next: only what differs is applied or deleted, so that pods are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.conformance.case import Case
from tests.conformance.record import cluster
from tests.conformance.record.cluster import ClusterError
from tests.conformance.record.stand_ins import OWNER, OWNER_LABEL, objects
from tests.conformance.record.sync import Marks, remove_mark, wait_for_istiod
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

    def record(self, case: Case) -> None:
        """Brings the cluster to a case and writes what every proxy was told."""
        self._become({_key(each): each for each in objects(case.resources(), self._image)})
        wait_for_istiod(self._applied.values())
        pods = cluster.proxy_pods(self._namespaces())
        write(case, Recording(self._version, self._marks.elements(pods)))

    def close(self) -> None:
        """Deletes everything that was applied."""
        remove_mark()
        self._become({})

    def _become(self, wanted: dict[str, Json]) -> None:
        others = {key: each for key, each in self._wanted.items() if key not in wanted}
        changed = {key: each for key, each in wanted.items() if self._wanted.get(key) != each}
        self._check_namespaces(changed.values())
        cluster.delete(reversed(others.values()))
        for key in others:
            del self._wanted[key], self._applied[key]
        self._apply(changed)
        if any(each["kind"] in _WORKLOADS for each in (*others.values(), *changed.values())):
            self._wait_for_pods()

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

    def _check_namespaces(self, wanted: Iterable[Json]) -> None:
        """A namespace that someone else made is not touched."""
        new = {each["metadata"]["name"] for each in wanted if each["kind"] == "Namespace"}
        for each in cluster.items("namespaces"):
            metadata = each["metadata"]
            if metadata["name"] in new and metadata.get("labels", {}).get(OWNER_LABEL) != OWNER:
                raise ClusterError(f"there is a namespace {metadata['name']} already: delete it first")

    def _wait_for_pods(self) -> None:
        """Until exactly the pods that are wanted run, all ready, and none is on its way out."""
        wanted = {
            (each["metadata"]["namespace"], each["metadata"]["name"]): each["spec"]["replicas"]
            for each in self._wanted.values()
            if each["kind"] == "Deployment"
        }
        cluster.until(lambda: _ready_pods(self._namespaces()) == wanted, "exactly the pods that are wanted")


def _ready_pods(namespaces: list[str]) -> dict[tuple[str, str], int] | None:
    found: dict[tuple[str, str], int] = {}
    for namespace in namespaces:
        for pod in cluster.items("pods", "-n", namespace):
            if not _is_ready(pod):
                return None
            key = (namespace, cluster.workload_of(pod))
            found[key] = found.get(key, 0) + 1
    return found


def _is_ready(pod: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _key(item: Json) -> str:
    metadata = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    return f"{group} {item['kind']} {metadata.get('namespace', '')} {metadata['name']}"
