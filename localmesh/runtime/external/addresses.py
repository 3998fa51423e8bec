"""The addresses of a served mesh, as its file of places gives them."""

from __future__ import annotations

from collections import defaultdict

from localmesh.catalog import LOOPBACK, Address
from localmesh.catalog.container import Container
from localmesh.catalog.workload import Workload
from localmesh.errors import LocalmeshError
from localmesh.runtime.external.inventory import GatewayEntry, Inventory, PodEntry

EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a pod's own network, where the others have to reach its proxy


class NotInInventoryError(LocalmeshError):
    """The manifests want a pod or gateway that the mesh does not find anywhere."""


class InventoryAllocator:
    """Addresses that were given, not chosen.

    A proxy listens on all addresses of its pod, as in Istio; pods that share the loopback keep to it. Under
    which address the others reach it is known only when its host's name has one.
    """

    def __init__(self, places: Inventory) -> None:
        self._of_workload: dict[str, list[PodEntry]] = defaultdict(list)
        for pod in places.pods:
            self._of_workload[pod.workload].append(pod)
        self._pods = {f"{pod.namespace}/{pod.name}": pod for pod in places.pods}
        self._gateways: dict[str, list[GatewayEntry]] = defaultdict(list)
        for gateway in places.gateways:
            self._gateways[gateway.workload].append(gateway)
        self._held: dict[str, tuple[Container, ...]] = {}

    def pod(self, workload: Workload, ordinal: int) -> str:
        """The name that was given. Raises NoPlaceError, also for a pod that runs as it was wanted before."""
        subject = f"{workload.namespace}/{workload.name}"
        given = self._of_workload.get(subject, [])
        if ordinal < len(given):
            self._require_same_containers(given[ordinal].name, workload)
            return given[ordinal].name
        known = ", ".join(place.name for place in given) or "none"
        raise NotInInventoryError(
            f"Deployment {subject} wants {workload.replicas} pods, and the file of --pods says of "
            f"{len(given)} where to find them ({known}): start the others and add them there"
        )

    def application(self, pod: str, port: int, *, movable: bool) -> Address:
        """The loopback of the pod."""
        del movable
        return Address(LOOPBACK, self.place(pod).application_port(port))

    def inbound(self, pod: str, port: int) -> Address:
        """Where the sidecar listens."""
        place = self.place(pod)
        return Address(_listening(place.host), place.inbound_port(port))

    def outbound(self, pod: str) -> Address:
        """For the pod alone."""
        return Address(LOOPBACK, self.place(pod).outbound)

    def gateway_pod(self, workload: Workload, ordinal: int) -> str:
        """The name that was given. Raises NotInInventoryError."""
        return self.gateway_place(workload, ordinal).name

    def gateway(self, workload: Workload, ordinal: int, port: int) -> Address:
        """Where the gateway's pod listens. Raises NotInInventoryError."""
        place = self.gateway_place(workload, ordinal)
        return Address(_listening(place.host), place.port(port))

    def hold(self, pod: str, workload: Workload) -> None:
        """From now on a pod is taken to run as its workload says."""
        self._held[f"{workload.namespace}/{pod}"] = workload.containers

    def release(self, pod: str, workload: Workload) -> None:
        """The pod is not wanted any more."""
        self._held.pop(f"{workload.namespace}/{pod}", None)

    def _require_same_containers(self, pod: str, workload: Workload) -> None:
        """What the manifests change in a container that somebody else has started, does not change there."""
        held = self._held.get(f"{workload.namespace}/{pod}")
        if held is not None and held != workload.containers:
            raise NotInInventoryError(
                f"the containers of Deployment {workload.namespace}/{workload.name} have changed, and pod "
                f"{pod} would run on as it is: start it anew as the manifests have it, and the mesh with it"
            )

    def place(self, pod: str) -> PodEntry:
        """The place of a pod that has one, by ``namespace/name``."""
        return self._pods[pod]

    def gateway_place(self, workload: Workload, ordinal: int) -> GatewayEntry:
        """The place of a gateway's pod. Raises NotInInventoryError."""
        subject = f"{workload.namespace}/{workload.name}"
        given = self._gateways.get(subject, [])
        if ordinal < len(given):
            return given[ordinal]
        known = ", ".join(sorted(gateway for gateway, places in self._gateways.items() if places)) or "none"
        raise NotInInventoryError(
            f"the gateway {subject} wants {workload.replicas} pods, and the file of --pods says of "
            f"{len(given)} where to find them (gateways: {known}): start the others and add them there"
        )


def _listening(host: str) -> str:
    return LOOPBACK if host in (LOOPBACK, "localhost") else EVERYWHERE
