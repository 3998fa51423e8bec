"""Addresses: where every pod, sidecar and gateway of a mesh listens.

The `AddressAllocator` decides whether these are ports of the loopback, for a running mesh, or made-up pod
addresses, for translation without running anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from localmesh.catalog import (
    LOOPBACK,
    Address,
    Catalog,
    GatewayWorkload,
    Inbound,
    Pod,
    Proxy,
    ProxyKind,
    Service,
)
from localmesh.catalog.called_hosts import CalledHosts, called_hosts, has_tcp_ports
from localmesh.catalog.locality import Locality, pod_locality
from localmesh.catalog.told import texts_of
from localmesh.catalog.workload import Workload


class AddressAllocator(Protocol):
    """Assigns names and addresses, always the same ones to the same pod and port."""

    @property
    def zones(self) -> Sequence[Locality]:
        """The localities of the nodes, one of which every pod is on; none if there is one node."""

    def pod(self, workload: Workload, ordinal: int) -> str:
        """The name of a workload's pod."""

    def application(self, pod: str, port: int, *, movable: bool) -> Address:
        """Where the process of a pod listens for a container port; if `movable` the number is free."""

    def inbound(self, pod: str, port: int) -> Address:
        """Where a pod's sidecar listens for a container port."""

    def outbound(self, pod: str) -> Address:
        """Where a pod's sidecar accepts the pod's own requests."""

    def connection(self, pod: str, host: str, port: int) -> Address | None:
        """Where a pod's sidecar accepts the pod's connections to a TCP port of a host; None if nowhere."""

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """The name of a gateway's pod."""

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """Where a gateway's pod listens for a target port."""


class SyntheticAllocator:
    """Pod addresses as a cluster would have them, for translation without running anything."""

    def __init__(self, zones: Sequence[Locality] = ()) -> None:
        self.zones = tuple(zones)
        self._pods: dict[str, str] = {}
        self._hosts: dict[str, str] = {}

    def pod(self, workload: Workload, ordinal: int) -> str:
        """The name that Kubernetes could have given."""
        return workload.pod_name(ordinal)

    def application(self, pod: str, port: int, *, movable: bool) -> Address:
        """The port itself, inside the pod."""
        del pod, movable
        return Address(LOOPBACK, port)

    def inbound(self, pod: str, port: int) -> Address:
        """The pod's address."""
        number = len(self._pods) + 1
        host = self._pods.setdefault(pod, f"10.244.{number // 250}.{number % 250 + 1}")
        return Address(host, port)

    def outbound(self, pod: str) -> Address:
        """Istio's own outbound port."""
        del pod
        return Address(LOOPBACK, 15001)

    def connection(self, pod: str, host: str, port: int) -> Address:
        """An address for the host, as a cluster gives it to a Service, and the port itself."""
        del pod
        number = len(self._hosts)
        address = self._hosts.setdefault(host, f"10.96.{number // 250}.{number % 250 + 1}")
        return Address(address, port)

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """The name that Kubernetes could have given."""
        return workload.pod_name(ordinal)

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """The pod's address."""
        return self.inbound(f"{workload.namespace}/{workload.pod_name(ordinal)}", port)


@dataclass(frozen=True, slots=True)
class PlannedPod:
    """A pod of the desired state: `ports` maps container ports to the real ones; `proxy` is its sidecar."""

    workload: Workload
    ordinal: int
    name: str
    ports: Mapping[int, int]
    proxy: Proxy | None
    pod: Pod
    ready_pod: Pod
    called: CalledHosts = field(default_factory=CalledHosts)
    """The hosts with TCP ports that the pod reaches at addresses of its own."""
    told: Mapping[str, Mapping[int, Address]] = field(default_factory=dict)
    """The addresses of those of them that its manifests name: others make it another pod."""

    def as_endpoint(self, *, ready: bool, host: str | None = None) -> Pod:
        """The pod as translation sees it; `host` is where it is reached, if not where it listens."""
        return _reached_at(self.ready_pod if ready else self.pod, host)


@dataclass(frozen=True, slots=True)
class PlannedGateway:
    """A pod of a gateway that is to run: its Envoy is all that is in it."""

    workload: Workload
    ordinal: int
    proxy: Proxy
    pod: Pod

    def as_endpoint(self, *, ready: bool, host: str | None = None) -> Pod:
        """The pod as the Services in front of it see it; `host` is where it is reached."""
        return _reached_at(replace(self.pod, ready=ready), host)


def _reached_at(pod: Pod, host: str | None) -> Pod:
    """The pod at the address where it is reached, where that is not the one at which it listens."""
    if host is None:
        return pod
    addresses = {port: Address(host, listen.port) for port, listen in pod.addresses.items()}
    return replace(pod, addresses=addresses)


def placed(catalog: Catalog, addresses: AddressAllocator | None = None) -> tuple[Catalog, list[Proxy]]:
    """The catalog with a ready pod for each that would run, and all proxies that would run."""
    addresses = addresses or SyntheticAllocator()
    pods = plan_pods(catalog, addresses)
    gateways = plan_gateways(catalog.gateways, addresses)
    sidecars = [pod.proxy for pod in pods if pod.proxy is not None]
    ready = [pod.as_endpoint(ready=True) for pod in pods]
    ready += [gateway.as_endpoint(ready=True) for gateway in gateways]
    return catalog.with_pods(ready), [*sidecars, *(gateway.proxy for gateway in gateways)]


def plan_pods(catalog: Catalog, addresses: AddressAllocator) -> list[PlannedPod]:
    """Every pod of the workloads, with all its addresses."""
    pods = (
        _planned_pod(workload, ordinal, ports, sidecar, addresses)
        for workload in catalog.workloads
        for sidecar in [_SidecarOf.workload(catalog, workload)]
        for ports in [_container_ports(workload, catalog.services_of(workload.namespace, workload.labels))]
        for ordinal in range(workload.replicas)
    )
    hosts = {service.host for service in catalog.services if has_tcp_ports(service)}
    return [_with_connections(pod, catalog, hosts, addresses) for pod in pods]


def plan_gateways(gateways: Iterable[GatewayWorkload], addresses: AddressAllocator) -> list[PlannedGateway]:
    """Every pod of the gateways, with all its addresses."""
    return [
        _place_gateway(gateway, ordinal, addresses)
        for gateway in gateways
        for ordinal in range(gateway.replicas)
    ]


def _place_gateway(gateway: GatewayWorkload, ordinal: int, addresses: AddressAllocator) -> PlannedGateway:
    workload = gateway.workload
    name = addresses.gateway_pod(workload, ordinal)
    ports = dict.fromkeys(server.target_port for server in gateway.servers)
    listen = {port: addresses.gateway(workload, ordinal, port) for port in ports}
    proxy = Proxy(
        kind=ProxyKind.GATEWAY,
        namespace=workload.namespace,
        workload=workload.name,
        name=name,
        labels=workload.labels,
        service_account=workload.service_account,
        listen=listen,
        locality=pod_locality(workload.labels, workload.node_selector, addresses.zones, ordinal),
    )
    pod = _pod(workload, name, listen, proxy.locality, has_sidecar=False)
    return PlannedGateway(workload, ordinal, proxy, pod)


def _container_ports(workload: Workload, services: Iterable[Service]) -> dict[int, bool]:
    """The container ports, each with whether the manifest declares it.

    Declaring a port is optional in Kubernetes: a Service may send to any number.
    """
    ports = dict.fromkeys(workload.declared_ports, True)
    for service in services:
        for port in service.ports:
            if isinstance(port.target, int) and port.protocol.value != "UDP":
                ports.setdefault(port.target, False)
    return ports


class _SidecarOf(NamedTuple):
    """Whether the pods of a workload have a sidecar, and the ports that a Sidecar declares for it.

    These are the ports of the application by those at which the sidecar listens.
    """

    injected: bool
    ports: Mapping[int, int]

    @classmethod
    def workload(cls, catalog: Catalog, workload: Workload) -> _SidecarOf:
        """The sidecars of a workload's pods."""
        if not catalog.is_injected(workload):
            return cls(injected=False, ports={})
        sidecar = catalog.sidecar_of(workload)
        listeners = sidecar.ingress if sidecar is not None else ()
        return cls(injected=True, ports={each.number: each.application for each in listeners})


def _planned_pod(
    workload: Workload,
    ordinal: int,
    ports: Mapping[int, bool],
    sidecar: _SidecarOf,
    addresses: AddressAllocator,
) -> PlannedPod:
    name = addresses.pod(workload, ordinal)
    key = f"{workload.namespace}/{name}"
    is_stub = any(not container.command for container in workload.containers)
    # a port that a Sidecar declares is its sidecar's, unless the manifest declares it too
    own = {port: declared for port, declared in ports.items() if declared or port not in sidecar.ports}
    own |= {port: own.get(port, False) for port in sidecar.ports.values()}
    applications = {
        port: addresses.application(key, port, movable=declared or is_stub) for port, declared in own.items()
    }
    behind = {port: sidecar.ports.get(port, port) for port in (*applications, *sidecar.ports)}
    inbound = tuple(
        Inbound(port, addresses.inbound(key, port), applications[own]) for port, own in behind.items()
    )
    proxy = Proxy(
        kind=ProxyKind.SIDECAR,
        namespace=workload.namespace,
        workload=workload.name,
        name=name,
        labels=workload.labels,
        service_account=workload.service_account,
        inbound=inbound,
        outbound=addresses.outbound(key),
        locality=pod_locality(workload.labels, workload.node_selector, addresses.zones, ordinal),
    )
    reachable = {port.container_port: port.listen for port in inbound} if sidecar.injected else applications
    pod = _pod(workload, name, reachable, proxy.locality, has_sidecar=sidecar.injected)
    return PlannedPod(
        workload=workload,
        ordinal=ordinal,
        name=name,
        ports={port: address.port for port, address in applications.items()},
        proxy=proxy if sidecar.injected else None,
        pod=pod,
        ready_pod=replace(pod, ready=True),
    )


def _with_connections(
    planned: PlannedPod, catalog: Catalog, hosts: Collection[str], addresses: AddressAllocator
) -> PlannedPod:
    """The pod with an address for each TCP port of those of the hosts that it may call."""
    proxy = planned.proxy
    if proxy is None or not hosts:
        return planned
    pod = f"{proxy.namespace}/{proxy.name}"
    services = [service for service in catalog.sidecar_scope(proxy).callable if service.host in hosts]
    connections = {
        (host, port.number): address
        for service in services
        for host in (service.host, *service.pod_hosts)
        for port in service.ports
        if port.protocol.is_tcp
        if (address := addresses.connection(pod, host, port.number)) is not None
    }
    called = called_hosts(services, proxy.namespace, connections)
    named = (host for text in texts_of(planned.workload, catalog.config) for host, _ in called.mentions(text))
    return replace(
        planned,
        proxy=replace(proxy, connections=connections),
        called=called,
        told={f"{host.namespace}/{host.name}": host.ports for host in named},
    )


def _pod(
    workload: Workload, name: str, addresses: Mapping[int, Address], locality: Locality, *, has_sidecar: bool
) -> Pod:
    """The pod as an endpoint, not ready yet."""
    return Pod(
        name=name,
        namespace=workload.namespace,
        workload=workload.name,
        labels=workload.labels,
        service_account=workload.service_account,
        addresses=addresses,
        port_names=workload.port_names,
        ready=False,
        has_sidecar=has_sidecar,
        locality=locality,
    )
