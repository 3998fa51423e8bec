"""The addresses of a mesh of processes: ports of the loopback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localmesh.catalog import LOOPBACK, Address
from localmesh.catalog.default_gateways import (
    HTTP_TARGET_PORT,
    HTTPS_TARGET_PORT,
    INGRESS,
    SYSTEM_NAMESPACE,
)
from localmesh.catalog.gateway_api.deployments import NAME_LABEL
from localmesh.catalog.locality import Locality
from localmesh.catalog.workload import Workload
from localmesh.runtime.processes.loopback_hosts import LoopbackHosts
from localmesh.runtime.workloads.ports import FreePorts

_INGRESS_TARGETS = {80: HTTP_TARGET_PORT, 443: HTTPS_TARGET_PORT}
"""The ports of other gateways, by whose names the ports of Istio's are known."""


def _is_ingress(workload: Workload) -> bool:
    return (workload.namespace, workload.name) == (SYSTEM_NAMESPACE, INGRESS) or NAME_LABEL in workload.labels


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
        self._ingress: dict[int, str] = {}
        self._allocated: dict[tuple[str, str, int], Address] = {}
        self._hosts = LoopbackHosts(free_ports)

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

    def connection(self, pod: str, host: str, port: int) -> Address:
        """The port itself at an address that stands for the host, where this machine has such addresses."""
        return self._hosts.address(pod, host, port)

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """A name as Kubernetes generates it."""
        return workload.pod_name(ordinal)

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """A free port, or the fixed one at the first pod of the ingress gateway.

        That is Istio's, or where it does not run the first one that a Gateway of the Gateway API brings.
        """
        pod = f"{workload.namespace}/{workload.pod_name(ordinal)}"
        target = _INGRESS_TARGETS.get(port, port) if NAME_LABEL in workload.labels else port
        fixed = self._ingress_ports.get(target) if ordinal == 0 and _is_ingress(workload) else None
        if fixed and self._ingress.setdefault(target, pod) == pod:
            return Address(LOOPBACK, fixed)
        return self._address("gateway", pod, port)

    def close(self) -> None:
        """Releases the addresses of hosts."""
        self._hosts.close()

    def _address(self, what: str, whose: str, port: int) -> Address:
        key = (what, whose, port)
        if key not in self._allocated:
            self._allocated[key] = Address(LOOPBACK, self._free_ports.take())
        return self._allocated[key]
