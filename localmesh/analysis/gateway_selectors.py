"""Gateways that no workload serves, or not on all of their ports (istio: analyzers/gateway)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from localmesh.analysis.label_hints import nearest, shown
from localmesh.catalog import Catalog, GatewayWorkload, Service
from localmesh.catalog.gateways import selector
from localmesh.kinds.gateway import GATEWAY
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import listed


def gateway_selectors(catalog: Catalog) -> Iterator[Problem]:
    """All Gateways."""
    for gateway in catalog.objects.of(GATEWAY):
        wanted = selector(gateway)
        workloads = [workload for workload in catalog.gateways if wanted.items() <= workload.labels.items()]
        if workloads:
            conflicts = list(_conflicts(gateway, workloads))
            yield from conflicts or _ports(gateway, workloads, catalog)
        else:
            labels = {f"the gateway {workload.name}": workload.labels for workload in catalog.gateways}
            yield gateway.root.get("spec", "selector").problem(
                warnings.SELECTOR_WITHOUT_GATEWAY, found=shown(wanted), known=nearest(wanted, labels)
            )


def _conflicts(gateway: Resource, workloads: Iterable[GatewayWorkload]) -> Iterator[Problem]:
    """Servers that are ignored because an older one has their port."""
    servers = list(gateway.root.get("spec", "servers").items())
    for of in workloads:
        for server, older in of.conflicts:
            if server.gateway == f"{gateway.namespace}/{gateway.name}":
                reason = "both have TLS settings for one host"
                if server.has_tls != older.has_tls:
                    reason = "it takes TLS only" if older.has_tls else "it takes plain HTTP only"
                yield (
                    servers[server.index]
                    .get("port", "number")
                    .problem(
                        warnings.CONFLICTING_SERVERS, gateway=of.name, older=older.gateway, reason=reason
                    )
                )


def _ports(gateway: Resource, workloads: Sequence[GatewayWorkload], catalog: Catalog) -> Iterator[Problem]:
    """Ports that are not served, or to which no Service leads: outside a cluster these cannot be called."""
    services = [service for of in workloads for service in catalog.services_of(of.namespace, of.labels)]
    if not services:
        return
    name = f"{gateway.namespace}/{gateway.name}"
    served = [(of, server) for of in workloads for server in of.servers if server.gateway == name]
    numbers = {server.number for _, server in served}
    reachable = {server.number for of, server in served if server.target_port in _targets(of, services)}
    for server in gateway.root.get("spec", "servers").items():
        number = server.get("port", "number")
        if number.integer in reachable:
            continue
        effect = "on a cluster it cannot be called from outside"
        if number.integer not in numbers:
            effect = "the gateway cannot listen on ports below 1024, so nothing serves it"
        yield number.problem(
            warnings.PORT_NOT_IN_SERVICE,
            service=listed(dict.fromkeys(service.subject for service in services)),
            known=listed(dict.fromkeys(str(port.number) for service in services for port in service.ports)),
            effect=effect,
        )


def _targets(of: GatewayWorkload, services: Iterable[Service]) -> set[int | None]:
    """The ports of a gateway's pods to which Services lead."""
    targets = [
        port.target
        for service in services
        if service.selects(of.namespace, of.labels)
        for port in service.ports
    ]
    return {of.workload.port_names.get(target) if isinstance(target, str) else target for target in targets}
