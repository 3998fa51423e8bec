"""Proxies, pods, and the addresses at which they listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from localmesh.catalog.locality import NOWHERE, Locality

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port at which something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ProxyKind(Enum):
    """Whether a proxy is the sidecar of a pod or a gateway."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A container port of a pod with a sidecar, and where the sidecar and the application listen for it."""

    container_port: int
    listen: Address
    application: Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """One Envoy. A sidecar has `inbound` and `outbound`, a gateway `listen` (by target port).

    `connections` is where a sidecar accepts the pod's connections to TCP ports, by host and port.
    """

    kind: ProxyKind
    namespace: str
    workload: str
    name: str
    labels: Mapping[str, str]
    service_account: str = "default"
    inbound: tuple[Inbound, ...] = ()
    outbound: Address | None = None
    connections: Mapping[tuple[str, int], Address] = field(default_factory=dict)
    listen: Mapping[int, Address] = field(default_factory=dict)
    locality: Locality = NOWHERE


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as an endpoint of Services.

    `addresses`: container port → where the mesh reaches it: the inbound listener of the sidecar,
    or the application itself in a pod without one; `port_names`: container port name → number.
    """

    name: str
    namespace: str
    workload: str
    labels: Mapping[str, str]
    service_account: str
    addresses: Mapping[int, Address]
    port_names: Mapping[str, int]
    ready: bool
    has_sidecar: bool = False
    locality: Locality = NOWHERE
    entry_address: str = ""
    """The address of a WorkloadEntry, which has no containers; "" for a pod."""
    entry_ports: Mapping[str, int] = field(default_factory=dict)
    """The ports of a WorkloadEntry by the names of Services' ports, or of their target ports."""
    weight: int = 1
    port_addresses: Mapping[str, Address] | None = None
    """Where an endpoint of an EndpointSlice is reached, by the names of Services' ports; None for others."""
    is_unhealthy: bool = False
    """Whether proxies know it and send nothing to it: an endpoint of an EndpointSlice that is not ready."""

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    def container_port(self, target: int | str) -> int | None:
        """The container port of a Service's `targetPort`; None if no port has that name."""
        return target if isinstance(target, int) else self.port_names.get(target)

    def address(self, target: int | str) -> Address | None:
        """Where the mesh reaches a `targetPort` of this pod; None if the pod does not declare it."""
        number = self.container_port(target)
        return None if number is None else self.addresses.get(number)

    def address_of(self, port_name: str, target: int | str) -> Address | None:
        """Where the mesh reaches a Service's port of that name and `targetPort`; None if it cannot."""
        if self.port_addresses is not None:
            return self.port_addresses.get(port_name)
        if not self.entry_address:
            return self.address(target)
        named = self.entry_ports.get(target if isinstance(target, str) else port_name)
        number = named or (target if isinstance(target, int) else None)
        return None if number is None else Address(self.entry_address, number)
