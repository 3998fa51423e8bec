"""TCP ports that pods would call by a name which nothing here replaces by an address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localmesh.catalog import MESH, Address, Catalog, Service
from localmesh.catalog.called_hosts import CalledHosts, called_hosts, has_tcp_ports
from localmesh.catalog.hosts import service_host
from localmesh.catalog.told import texts_of
from localmesh.kinds.service import SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings

_NOBODY = "no variable, argument or ConfigMap of a pod names it"
_WITHOUT_PORT = "pods name it without the port, and its other ports are HTTP"


def tcp_ports(catalog: Catalog) -> Iterator[Problem]:
    """The TCP ports of Services with endpoints that no pod and no gateway is told an address of."""
    called = [service for service in catalog.services if has_tcp_ports(service) and not service.is_entry]
    if not called or not catalog.workloads:
        return
    replaced, only_named = _named(catalog, called)
    replaced |= _behind_gateways(catalog) | _behind_entries(catalog)
    with_pods = {*catalog.workloads_by_host(), *catalog.entries_by_host}
    for resource in catalog.objects.of(SERVICE):
        service = catalog.service(service_host(resource.name, resource.namespace))
        if service in called and service.host in with_pods and service.host not in replaced:
            yield from _problems(resource, service, _WITHOUT_PORT if service.host in only_named else _NOBODY)


def _problems(resource: Resource, service: Service, reason: str) -> Iterator[Problem]:
    is_tcp = {port.number: port.protocol.is_tcp for port in service.ports}
    for port in resource.root.get("spec", "ports").items():
        number = port.get("port").integer or 0
        if is_tcp.get(number):
            written = port.get("appProtocol") or port.get("name") or port
            yield written.problem(
                warnings.PORT_NOT_NAMED,
                service=service.subject,
                reason=reason,
                name=f"{service.name}:{number}",
            )


def _named(catalog: Catalog, services: Iterable[Service]) -> tuple[set[str], set[str]]:
    """The hosts that pods name so that an address takes their place, and those that they name otherwise."""
    replaced: set[str] = set()
    only_named: set[str] = set()
    known: dict[str, CalledHosts] = {}
    for workload in filter(catalog.is_injected, catalog.workloads):
        namespace = workload.namespace
        if namespace not in known:
            known[namespace] = _called(services, namespace)
        for text in texts_of(workload, catalog.config):
            for host, is_replaced in known[namespace].mentions(text):
                (replaced if is_replaced else only_named).add(host.service)
    return replaced, only_named


def _called(services: Iterable[Service], namespace: str) -> CalledHosts:
    """The Services as pods of a namespace call them, all at one address."""
    connections = {
        (host, port.number): Address("0.0.0.0", port.number)  # noqa: S104 - nothing listens there
        for service in services
        for host in (service.host, *service.pod_hosts)
        for port in service.ports
        if port.protocol.is_tcp
    }
    return called_hosts(services, namespace, connections)


def _behind_gateways(catalog: Catalog) -> set[str]:
    """The hosts to which gateways have routes."""
    return {
        host
        for virtual_service in catalog.virtual_services
        if virtual_service.gateways - {MESH}
        for host in virtual_service.destination_hosts
    }


def _behind_entries(catalog: Catalog) -> set[str]:
    """The hosts that endpoints of ServiceEntries have for an address."""
    return {endpoint.address for service in catalog.services for endpoint in service.endpoints}
