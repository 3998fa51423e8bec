"""Services: the pods that they select and the ports that they send to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from localmesh.catalog import Catalog, Service, Workload
from localmesh.catalog.hosts import service_host
from localmesh.kinds.service import SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed


def services(catalog: Catalog) -> Iterator[Problem]:
    """All Services with a selector, if there are workloads at all."""
    if not catalog.workloads:
        return
    workloads = catalog.workloads_by_host()
    similar = _ByLabel(catalog.workloads)
    for resource in catalog.objects.of(SERVICE):
        service = catalog.service(service_host(resource.name, resource.namespace))
        if service is None or not service.selector or resource.spec.get("type") == "ExternalName":
            continue
        if selected := workloads.get(service.host, ()):
            yield from _target_ports(resource, selected)
        else:
            yield _without_pods(resource, service, similar)


class _ByLabel:
    """Workloads by each of their labels, as there may be thousands of both."""

    def __init__(self, workloads: Sequence[Workload]) -> None:
        self._first: dict[tuple[str, str, str], Workload] = {}
        for workload in workloads:
            for label in workload.labels.items():
                self._first.setdefault((workload.namespace, *label), workload)

    def with_any(self, namespace: str, labels: Mapping[str, str]) -> Workload | None:
        """The first workload of a namespace that has at least one of these labels."""
        candidates = (self._first.get((namespace, *label)) for label in labels.items())
        return next((workload for workload in candidates if workload is not None), None)


def _without_pods(resource: Resource, service: Service, similar: _ByLabel) -> Problem:
    wanted = service.selector
    workload = similar.with_any(service.namespace, wanted)
    hint = ""
    if workload is not None:
        shown = ", ".join(f"{key}={workload.labels.get(key, '(missing)')}" for key in wanted)
        hint = f"; {workload.place.subject} has {shown}"
    return resource.root.get("spec", "selector").problem(
        warnings.SELECTOR_WITHOUT_PODS,
        found=", ".join(f"{key}={value}" for key, value in wanted.items()),
        hint=hint,
    )


def _target_ports(resource: Resource, selected: Sequence[Workload]) -> Iterator[Problem]:
    for port in resource.root.get("spec", "ports").items():
        target = port.get("targetPort")
        if not target.text:
            continue
        for workload in selected:
            if target.text not in workload.port_names:
                yield target.problem(
                    warnings.MISSING_TARGET_PORT,
                    workload=workload.place.subject,
                    known=listed(workload.port_names),
                )
