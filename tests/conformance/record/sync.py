"""Waits until every proxy has the configuration for exactly the objects that were applied.

First istiod must have these objects in these versions, and no others of a case. Then a mark is set: an
EnvoyFilter that changes every proxy's clusters and route configurations. A configuration with the mark was
made after the objects were applied, so nothing in it is outdated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conformance.elements import Elements
from tests.conformance.istio_side import Dump, istio_elements
from tests.conformance.record import cluster
from tests.conformance.record.cluster import SYSTEM, ProxyPod
from tests.conformance.record.stand_ins import is_istio, workloads_of

Json = dict[str, Any]
Version = tuple[str, str, int]

MARK = "conformance-mark"
_CONTEXTS = ("SIDECAR_OUTBOUND", "GATEWAY")


def wait_for_objects(applied: Iterable[Mapping[str, Any]]) -> None:
    """Waits until istiod has exactly the Istio objects among these."""
    wanted = {_version(item) for item in applied if is_istio(item["apiVersion"])}
    cluster.until(lambda: _known_objects() == wanted, "istiod to have exactly the objects of the case")


def wait_for_services(applied: Iterable[Mapping[str, Any]]) -> None:
    """Waits until istiod has exactly the Services among these, and those that it makes for Gateways."""
    applied = list(applied)
    services = {_host(item) for item in applied if item["kind"] == "Service"}
    of_gateways = (workloads_of(item) for item in applied if item["kind"] == "Gateway")
    services |= {f"{name}.svc.cluster.local" for names in of_gateways for name in names}
    cluster.until(lambda: _hosts() == services, "istiod to have exactly the Services of the case")


def _known_objects() -> set[Version]:
    objects = cluster.istiod("/debug/configz") or []
    return {_version(item) for item in objects if item["metadata"]["name"] != MARK}


def _version(item: Mapping[str, Any]) -> Version:
    """The identity and generation of an object; istiod itself writes to the status of some objects."""
    metadata = item["metadata"]
    return metadata["name"], metadata["uid"], metadata["generation"]


def _hosts() -> set[str]:
    services = cluster.istiod("/debug/registryz")
    kubernetes = (item for item in services if item["Attributes"].get("ServiceRegistry") == "Kubernetes")
    own = {SYSTEM, "kube-system", "default"}
    return {str(item["hostname"]) for item in kubernetes if item["Attributes"]["Namespace"] not in own}


def _host(service: Mapping[str, Any]) -> str:
    metadata = service["metadata"]
    return f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"


class Marks:
    """A sequence of distinct marks."""

    def __init__(self) -> None:
        self._number = 0

    def elements(self, pods: list[ProxyPod], workloads: set[str]) -> Elements:
        """The elements of every proxy from now on, without the mark; the pods belong to these workloads."""
        self._number += 1
        mark = f"{MARK}-{self._number}"
        cluster.apply([_filter(mark)])
        # the first is queried until it has the mark; the others almost always have it then
        marked = [_marked(pods[0], mark, workloads)]
        with ThreadPoolExecutor(max_workers=4) as pool:
            marked += pool.map(lambda pod: _marked(pod, mark, workloads), pods[1:])
        return {name: value for elements in marked for name, value in elements.items()}


def _marked(pod: ProxyPod, mark: str, workloads: set[str]) -> Elements:
    def dump() -> Dump | None:
        current = Dump(cluster.configuration(pod))
        return current if _has_mark(current, mark) else None

    marked: Dump = cluster.until(dump, f"{pod.proxy} to get a new mark")
    return _without_mark(istio_elements(pod.proxy, marked, workloads), mark)


def _has_mark(dump: Dump, mark: str) -> bool:
    marked = [routes.get("internal_only_headers") == [mark] for routes in dump.rds_routes]
    return mark in {item["name"] for item in dump.clusters} and all(marked) and not dump.is_warming


def _without_mark(elements: Elements, mark: str) -> Elements:
    elements_without: Elements = {}
    for name, value in elements.items():
        if name.name == mark:
            continue
        is_marked = name.part == "routes" and isinstance(value, dict) and "internalOnlyHeaders" in value
        kept = {key: value[key] for key in value if key != "internalOnlyHeaders"} if is_marked else value
        elements_without[name] = kept
    return elements_without


def _filter(mark: str) -> Json:
    cluster_patch = {
        "applyTo": "CLUSTER",
        "match": {"context": "ANY"},
        "patch": {"operation": "ADD", "value": {"name": mark, "type": "STATIC", "connect_timeout": "1s"}},
    }
    routes = [
        {
            "applyTo": "ROUTE_CONFIGURATION",
            "match": {"context": context},
            "patch": {"operation": "MERGE", "value": {"internal_only_headers": [mark]}},
        }
        for context in _CONTEXTS
    ]
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": MARK, "namespace": SYSTEM},
        "spec": {"configPatches": [cluster_patch, *routes]},
    }


def remove_mark() -> None:
    """Removes the mark from the mesh."""
    cluster.delete([_filter(MARK)])
