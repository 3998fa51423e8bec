"""DestinationRules: their hosts and the pods of their subsets (istio: analyzers/destinationrule)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localmesh.analysis.host_hints import HostHints
from localmesh.catalog import Catalog, Service, Workload
from localmesh.catalog.hosts import full_host
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed


def destination_rules(catalog: Catalog) -> Iterator[Problem]:
    """All DestinationRules."""
    hints, workloads = HostHints(catalog), catalog.workloads_by_host()
    for resource in catalog.objects.of(DESTINATION_RULE):
        host = resource.root.get("spec", "host")
        name = full_host(host.text or "", resource.namespace)
        services = catalog.destinations.services_at(name)
        if not services:
            hint, remedy = hints.hint(name)
            yield host.problem(warnings.RULE_WITHOUT_HOST, name=name, hint=hint, remedy=remedy)
        elif len(services) == 1:
            for subset in resource.root.get("spec", "subsets").items():
                yield from _subset(subset, services[0], workloads.get(services[0].host, ()))


def _subset(subset: Field, service: Service, workloads: Sequence[Workload]) -> Iterator[Problem]:
    wanted = {key: label.value for key, label in subset.get("labels").entries()}
    if not workloads or any(wanted.items() <= workload.labels.items() for workload in workloads):
        return  # a Service without any pods has a separate warning
    known = [
        ", ".join(f"{key}={workload.labels[key]}" for key in wanted if key in workload.labels)
        or "none of these keys"
        for workload in workloads
    ]
    yield subset.problem(
        warnings.SUBSET_WITHOUT_PODS,
        service=service.subject,
        found=", ".join(f"{key}={value}" for key, value in wanted.items()),
        known=listed(dict.fromkeys(known)),
    )
