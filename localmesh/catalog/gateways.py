"""Gateways: workloads whose pods are Envoys that Gateway objects select by their labels.

All Gateways that select a workload are merged into what its pods serve, oldest first, from whatever namespace
(istiod's pilot/pkg/model/gateway.go and push_context.go, mergeGateways).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.default_gateways import ORIGIN, SYSTEM_NAMESPACE, default_gateways
from localmesh.catalog.injection import is_disabled
from localmesh.catalog.objects import Objects
from localmesh.catalog.servers import Server, ServerHost, conflict
from localmesh.catalog.services import Service
from localmesh.catalog.workload import Workload, runs_router
from localmesh.kinds.deployment import DEPLOYMENT
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.kubernetes import NAMESPACE
from localmesh.kinds.rules.server_tls import TLS_PROTOCOLS
from localmesh.kinds.service import SERVICE
from localmesh.manifests import Resource

_UNPRIVILEGED = "ISTIO_META_UNPRIVILEGED_POD"
_FIRST_UNPRIVILEGED_PORT = 1024

GATEWAY_SERVICE = "internal.istio.io/gateway-service"
"""The annotation of a Gateway that the pods of these Services serve, and not those of a selector."""
PARENT_NAMESPACE = "internal.istio.io/parent-namespace"
"""The annotation with the namespace of these Services, where it is not the Gateway's own."""

ServicesOf = Callable[[str, Mapping[str, str]], Sequence[Service]]
"""The Services that send to pods of a namespace with these labels."""


@dataclass(frozen=True, slots=True)
class GatewayWorkload:
    """A workload whose pods are gateways, and what they serve: nothing where no Gateway selects them."""

    workload: Workload
    servers: tuple[Server, ...]
    conflicts: tuple[tuple[Server, Server], ...] = ()
    """Servers that are ignored, each with the older one that has its port."""

    @property
    def namespace(self) -> str:
        """The namespace of the pods."""
        return self.workload.namespace

    @property
    def name(self) -> str:
        """The name of the workload."""
        return self.workload.name

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the pods."""
        return self.workload.labels

    @property
    def replicas(self) -> int:
        """How many pods run: none of a gateway that Istio installs and that has nothing to serve."""
        has_work = self.servers or self.workload.place.file != ORIGIN
        return self.workload.replicas if has_work else 0


def own_gateways(workloads: Iterable[Workload], objects: Objects) -> list[Workload]:
    """The gateways among the workloads of the manifests."""
    namespaces = {namespace.name: namespace.labels for namespace in objects.of(NAMESPACE)}
    return [
        workload
        for workload in workloads
        if workload.is_gateway
        and (
            any(map(runs_router, workload.containers))
            or not is_disabled(namespaces.get(workload.namespace, {}), workload.labels, workload.annotations)
        )
    ]


def default_objects(objects: Objects, own: Iterable[Workload], hosts: Iterable[str]) -> Objects:
    """The objects of the gateways that Istio installs, except where the manifests bring their own.

    `own` are the gateways of the manifests, `hosts` the full names that the routes and rules of the mesh are
    for or lead to.
    """
    selectors = [selector(gateway) for gateway in objects.of(GATEWAY)]
    defaults = default_gateways(selectors, [workload.labels for workload in own], hosts)
    written = objects.of(DEPLOYMENT, SERVICE)
    taken = {(resource.kind, resource.name) for resource in written if resource.namespace == SYSTEM_NAMESPACE}
    return Objects(resource for resource in defaults if (resource.kind, resource.name) not in taken)


def selector(gateway: Resource) -> Mapping[str, str]:
    """The labels that a Gateway asks for; none mean every gateway."""
    return gateway.spec.get("selector") or {}


def has_tls_servers(gateway: Resource) -> bool:
    """Whether a Gateway serves clients that use TLS."""
    servers = gateway.spec.get("servers") or ()
    return any(server["port"]["protocol"].lower() in TLS_PROTOCOLS for server in servers)


def gateway_workloads(
    workloads: Iterable[Workload], gateways: Sequence[Resource], services_of: ServicesOf
) -> tuple[GatewayWorkload, ...]:
    """The workloads of gateways, each with the servers that select it."""
    return tuple(_gateway_workload(workload, gateways, services_of) for workload in workloads)


def _gateway_workload(of: Workload, gateways: Iterable[Resource], services_of: ServicesOf) -> GatewayWorkload:
    """A workload with the servers of all Gateways that select it, less those that it cannot serve."""
    services = services_of(of.namespace, of.labels)
    servers: list[Server] = []
    conflicts: list[tuple[Server, Server]] = []
    for server in _servers(of, gateways, services):
        older = next((other for other in servers if conflict(server, other)), None)
        if older is None:
            servers.append(server)
        else:
            conflicts.append((server, older))
    return GatewayWorkload(of, tuple(servers), tuple(conflicts))


def _servers(of: Workload, gateways: Iterable[Resource], services: Sequence[Service]) -> Iterator[Server]:
    """The servers of all Gateways that select a workload, on ports on which its pods can listen."""
    for gateway in gateways:
        if GATEWAY_SERVICE in gateway.annotations:
            yield from _servers_of_services(of, gateway, services)
        elif selector(gateway).items() <= of.labels.items():
            for index in range(len(gateway.spec.get("servers") or ())):
                server = _server(gateway, index, of, services)
                if server.target_port >= _FIRST_UNPRIVILEGED_PORT or not _is_unprivileged(of):
                    yield server


def _servers_of_services(of: Workload, gateway: Resource, services: Iterable[Service]) -> Iterator[Server]:
    """The servers of a Gateway that names the Services in front of its pods, on the ports that these have."""
    hosts = gateway.annotations[GATEWAY_SERVICE].split(",")
    namespace = gateway.annotations.get(PARENT_NAMESPACE, gateway.namespace)
    own = [service for service in services if service.host in hosts and service.namespace == namespace]
    for index, server in enumerate(gateway.spec["servers"]):
        if any(service.port(int(server["port"]["number"])) is not None for service in own):
            yield _server(gateway, index, of, own)


def _server(gateway: Resource, index: int, of: Workload, services: Iterable[Service]) -> Server:
    written: Mapping[str, Any] = gateway.spec["servers"][index]
    port = written["port"]
    number = int(port["number"])
    return Server(
        gateway=f"{gateway.namespace}/{gateway.name}",
        index=index,
        port_name=port.get("name", ""),
        number=number,
        target_port=_target_port(number, of, services),
        hosts=tuple(_host(host, gateway.namespace) for host in written.get("hosts") or ()),
        protocol=port["protocol"].upper(),
        tls=written.get("tls"),
    )


def _target_port(number: int, of: Workload, services: Iterable[Service]) -> int:
    """Where the pods listen for a port of a Gateway: the first Service that has it decides."""
    for service in services:
        port = service.port(number)
        target = of.port_names.get(port.target) if port and isinstance(port.target, str) else None
        if port is not None and isinstance(port.target, int):
            return port.target
        if target is not None:
            return target
    return number


def _is_unprivileged(of: Workload) -> bool:
    """Whether the pods say that they cannot listen below port 1024, as those that Istio installs do."""
    variables = (variable for container in of.containers for variable in container.variables)
    return any(variable.name == _UNPRIVILEGED and variable.value == "true" for variable in variables)


def _host(host: str, own_namespace: str) -> ServerHost:
    namespace, slash, name = host.rpartition("/")
    if not slash:
        return ServerHost("*", host.lower())
    return ServerHost(own_namespace if namespace == "." else namespace, name.lower())
