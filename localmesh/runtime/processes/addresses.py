"""The addresses of a mesh of processes: ports of the loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localmesh.catalog import LOOPBACK, Address
from localmesh.catalog.default_gateways import INGRESS, SYSTEM_NAMESPACE
from localmesh.catalog.locality import Locality
from localmesh.catalog.workload import Workload
from localmesh.runtime.workloads.ports import FreePorts


class LoopbackAllocator:
    """Allocates loopback ports; `ingress_ports` fixes those of Istio's ingress gateway by target port."""

    def __init__(
        self,
        free_ports: FreePorts,
        ingress_ports: Mapping[int, int] | None = None,
        zones: Sequence[Locality] = (),
    ) -> None:
        self.zones = tuple(zones)
        self._free_ports = free_ports
        self._ingress_ports = dict(ingress_ports or {})
        self._allocated: dict[tuple[str, str, int], Address] = {}

    def pod(self, workload: Workload, ordinal: int) -> str:
        """A name as Kubernetes generates it."""
        return workload.pod_name(ordinal)

    def application(self, pod: str, port: int, *, movable: bool) -> Address:
        """A free port, or the number itself if the process cannot be given another one."""
        return self._address("application", pod, port) if movable else Address(LOOPBACK, port)

    def inbound(self, pod: str, port: int) -> Address:
        """A free port."""
        return self._address("inbound", pod, port)

    def outbound(self, pod: str) -> Address:
        """A free port."""
        return self._address("outbound", pod, 0)

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """A name as Kubernetes generates it."""
        return workload.pod_name(ordinal)

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """A free port, or the fixed one at the first pod of Istio's ingress gateway."""
        is_ingress = (workload.namespace, workload.name, ordinal) == (SYSTEM_NAMESPACE, INGRESS, 0)
        fixed = self._ingress_ports.get(port) if is_ingress else None
        pod = f"{workload.namespace}/{workload.pod_name(ordinal)}"
        return Address(LOOPBACK, fixed) if fixed else self._address("gateway", pod, port)

    def _address(self, what: str, whose: str, port: int) -> Address:
        key = (what, whose, port)
        if key not in self._allocated:
            self._allocated[key] = Address(LOOPBACK, self._free_ports.take())
        return self._allocated[key]
