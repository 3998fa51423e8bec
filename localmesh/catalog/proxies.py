"""Proxies and the pods behind them: who asks for configuration, and where things listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from localmesh.catalog.security import identity

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ProxyKind(Enum):
    """What a proxy stands in front of."""

    SIDECAR = "sidecar"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A container port of a sidecar's pod: where the sidecar listens for it, where the application does."""

    container_port: int
    listen: Address
    application: Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """One Envoy. A sidecar has `inbound` and `outbound`, a gateway `listen` (by target port)."""

    kind: ProxyKind
    namespace: str
    workload: str
    name: str
    labels: Mapping[str, str]
    service_account: str = "default"
    inbound: tuple[Inbound, ...] = ()
    outbound: Address | None = None
    listen: Mapping[int, Address] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """The SPIFFE identity that it proves to others."""
        return identity(self.namespace, self.service_account)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as endpoints see it.

    `addresses`: container port → where the mesh reaches it (the sidecar's inbound listener, or the
    application itself where the pod has no sidecar); `port_names`: container port name → number.
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

    def __hash__(self) -> int:
        return hash((self.namespace, self.name))

    @property
    def identity(self) -> str:
        """The SPIFFE identity of its sidecar."""
        return identity(self.namespace, self.service_account)

    def container_port(self, target: int | str) -> int | None:
        """The container port that a Service's `targetPort` means here; None if no port has that name."""
        return target if isinstance(target, int) else self.port_names.get(target)

    def address(self, target: int | str) -> Address | None:
        """Where the mesh reaches a `targetPort` of this pod, if it declares it."""
        number = self.container_port(target)
        return None if number is None else self.addresses.get(number)
