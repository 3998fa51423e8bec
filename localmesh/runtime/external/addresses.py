"""The addresses of pods that are started elsewhere, from the inventory."""

from __future__ import annotations

from collections import defaultdict

from localmesh.catalog import LOOPBACK, Address
from localmesh.catalog.container import Container
from localmesh.catalog.locality import Locality
from localmesh.catalog.workload import Workload
from localmesh.errors import LocalmeshError
from localmesh.runtime.external.inventory import GatewayEntry, Inventory, PodEntry

EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a pod's own network, where other pods reach its proxy


class NotInInventoryError(LocalmeshError):
    """The manifests need a pod or gateway that the inventory does not contain."""


class InventoryAllocator:
    """Returns the addresses of the inventory.

    A proxy listens on all addresses of its pod, as in Istio; pods that share the loopback listen there.
    At which address others reach it is known only when the name of its host can be resolved.
    """

    zones: tuple[Locality, ...] = ()

    def __init__(self, inventory: Inventory) -> None:
        self._of_workload: dict[str, list[PodEntry]] = defaultdict(list)
        for pod in inventory.pods:
            self._of_workload[pod.workload].append(pod)
        self._pods = {f"{pod.namespace}/{pod.name}": pod for pod in inventory.pods}
        self._gateways: dict[str, list[GatewayEntry]] = defaultdict(list)
        for gateway in inventory.gateways:
            self._gateways[gateway.workload].append(gateway)
        self._running: dict[str, tuple[Container, ...]] = {}

    def pod(self, workload: Workload, ordinal: int) -> str:
        """The name of a pod. Raises NotInInventoryError, also for a running pod whose containers changed."""
        subject = f"{workload.namespace}/{workload.name}"
        entries = self._of_workload.get(subject, [])
        if ordinal < len(entries):
            self._require_same_containers(entries[ordinal].name, workload)
            return entries[ordinal].name
        known = ", ".join(entry.name for entry in entries) or "none"
        raise NotInInventoryError(
            f"Deployment {subject} has {workload.replicas} replicas, and the file of --pods contains "
            f"{len(entries)} of them ({known}): start the others and add them there"
        )

    def application(self, pod: str, port: int, *, movable: bool) -> Address:
        """The container port on the loopback of the pod."""
        del movable
        return Address(LOOPBACK, self.entry(pod).application_port(port))

    def inbound(self, pod: str, port: int) -> Address:
        """Where the sidecar listens for a container port."""
        entry = self.entry(pod)
        return Address(_listening(entry.host), entry.inbound_port(port))

    def outbound(self, pod: str) -> Address:
        """Where the sidecar listens for the pod's own requests, on its loopback."""
        return Address(LOOPBACK, self.entry(pod).outbound)

    def connection(self, pod: str, host: str, port: int) -> None:
        """Nowhere: the environment of containers that others start cannot be changed from here."""
        del pod, host, port

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """The name of a gateway's pod. Raises NotInInventoryError."""
        return self.gateway_entry(workload, ordinal).name

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """Where a gateway's pod listens. Raises NotInInventoryError."""
        entry = self.gateway_entry(workload, ordinal)
        return Address(_listening(entry.host), entry.port(port))

    def add_running(self, pod: str, workload: Workload) -> None:
        """Notes with which containers a pod runs; they cannot be changed from here."""
        self._running[f"{workload.namespace}/{pod}"] = workload.containers

    def remove_running(self, pod: str, workload: Workload) -> None:
        """Forgets a pod that is no longer part of the mesh."""
        self._running.pop(f"{workload.namespace}/{pod}", None)

    def _require_same_containers(self, pod: str, workload: Workload) -> None:
        running = self._running.get(f"{workload.namespace}/{pod}")
        if running is not None and running != workload.containers:
            raise NotInInventoryError(
                f"the containers of Deployment {workload.namespace}/{workload.name} have changed, and the "
                f"running pod {pod} would not: restart it as in the manifests, and then the mesh"
            )

    def entry(self, pod: str) -> PodEntry:
        """The entry of a pod, which must exist, by ``namespace/name``."""
        return self._pods[pod]

    def gateway_entry(self, workload: Workload, ordinal: int) -> GatewayEntry:
        """The entry of a gateway's pod. Raises NotInInventoryError."""
        subject = f"{workload.namespace}/{workload.name}"
        entries = self._gateways.get(subject, [])
        if ordinal < len(entries):
            return entries[ordinal]
        known = ", ".join(sorted(gateway for gateway, of in self._gateways.items() if of)) or "none"
        raise NotInInventoryError(
            f"the gateway {subject} has {workload.replicas} replicas, and the file of --pods contains "
            f"{len(entries)} of them (gateways: {known}): start the others and add them there"
        )


def _listening(host: str) -> str:
    return LOOPBACK if host in (LOOPBACK, "localhost") else EVERYWHERE
