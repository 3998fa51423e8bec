"""Waiting until every proxy has what istiod makes of exactly the objects that were applied.

First istiod must hold these objects in these versions, and no others of a case. Then a mark is set: an
EnvoyFilter that changes every proxy's clusters and route configurations. The configuration that carries
the mark was made after the objects were there, so nothing in it is old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.conformance.elements import Elements
from tests.conformance.istio_side import Dump, istio_elements
from tests.conformance.record import cluster
from tests.conformance.record.cluster import SYSTEM, ProxyPod
from tests.conformance.record.stand_ins import is_istio

Json = dict[str, Any]
Version = tuple[str, str, int]

MARK = "conformance-mark"
_CONTEXTS = ("SIDECAR_OUTBOUND", "GATEWAY")


def wait_for_objects(applied: Iterable[Mapping[str, Any]]) -> None:
    """Returns when istiod holds the Istio objects among these, and no others of the cases'."""
    wanted = {_version(each) for each in applied if is_istio(each["apiVersion"])}
    cluster.until(lambda: _held() == wanted, "istiod to hold the case's objects and no others")


def wait_for_services(applied: Iterable[Mapping[str, Any]]) -> None:
    """Returns when istiod holds the Services among these, and no others of the cases'."""
    services = {_host(each) for each in applied if each["kind"] == "Service"}
    cluster.until(lambda: _hosts() == services, "istiod to hold the case's Services and no others")


def _held() -> set[Version]:
    found = cluster.istiod("/debug/configz") or []
    return {_version(each) for each in found if each["metadata"]["name"] != MARK}


def _version(item: Mapping[str, Any]) -> Version:
    """Which object, and which spec of it: istiod itself writes into the status of some."""
    metadata = item["metadata"]
    return metadata["name"], metadata["uid"], metadata["generation"]


def _hosts() -> set[str]:
    found = cluster.istiod("/debug/registryz")
    of_cases = (each for each in found if each["Attributes"].get("ServiceRegistry") == "Kubernetes")
    own = {SYSTEM, "kube-system", "default"}
    return {str(each["hostname"]) for each in of_cases if each["Attributes"]["Namespace"] not in own}


def _host(service: Mapping[str, Any]) -> str:
    metadata = service["metadata"]
    return f"{metadata['name']}.{metadata['namespace']}.svc.cluster.local"


class Marks:
    """Marks, each another than those before."""

    def __init__(self) -> None:
        self._number = 0

    def elements(self, pods: list[ProxyPod], workloads: set[str]) -> Elements:
        """What every proxy was told after now, without the mark itself; pods are of these workloads."""
        self._number += 1
        mark = f"{MARK}-{self._number}"
        cluster.apply([_filter(mark)])
        # the first is asked until it has the mark; the others then have it at once, nearly always
        found = [_marked(pods[0], mark, workloads)]
        with ThreadPoolExecutor(max_workers=4) as pool:
            found += pool.map(lambda pod: _marked(pod, mark, workloads), pods[1:])
        return {name: value for elements in found for name, value in elements.items()}


def _marked(pod: ProxyPod, mark: str, workloads: set[str]) -> Elements:
    def dump() -> Dump | None:
        found = Dump(cluster.configuration(pod))
        return found if _carries(found, mark) else None

    found: Dump = cluster.until(dump, f"{pod.proxy} to carry a new mark")
    return _without_mark(istio_elements(pod.proxy, found, workloads), mark)


def _carries(dump: Dump, mark: str) -> bool:
    marked = [each.get("internal_only_headers") == [mark] for each in dump.told_routes]
    return mark in {each["name"] for each in dump.clusters} and all(marked) and not dump.is_warming


def _without_mark(elements: Elements, mark: str) -> Elements:
    out: Elements = {}
    for name, value in elements.items():
        if name.name == mark:
            continue
        is_marked = name.part == "routes" and isinstance(value, dict) and "internalOnlyHeaders" in value
        out[name] = (
            {key: each for key, each in value.items() if key != "internalOnlyHeaders"} if is_marked else value
        )
    return out


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
    """Takes the mark off the mesh."""
    cluster.delete([_filter(MARK)])
