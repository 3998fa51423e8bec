"""The pods of a running mesh as its API serves them: those of workloads, and those of gateways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localmesh.catalog import Address
from localmesh.catalog.addressing import PlannedGateway
from localmesh.runtime.mesh import Mesh
from localmesh.runtime.protocols import RunningPod, RunningProxy
from localmesh.server import kubernetes

Json = dict[str, Any]
SIDECAR = "istio-proxy"
"""The name that Istio gives the container of a proxy."""


@dataclass(frozen=True, slots=True)
class WorkloadPod:
    """A pod with an application, and in most cases a sidecar."""

    mesh: Mesh
    running: RunningPod

    def document(self) -> Json:
        """The Pod object."""
        return kubernetes.pod(self.running)

    def log_file(self, container: str) -> Path | None:
        """The log of the sidecar, or of the application, which replicas share; None if it is not kept."""
        if container != SIDECAR:
            return self.running.application.log_file
        return None if self.running.sidecar is None else self.running.sidecar.log_file

    def port(self, port: str) -> int | None:
        """A container port by number or name."""
        return kubernetes.container_port(self.running.planned.pod, port)

    def address(self, port: int) -> Address | None:
        """Where a client outside the mesh reaches a container port."""
        return self.mesh.external_address(self.running, port)

    def requires_mtls(self, port: int) -> bool:
        """Whether Istio would accept mTLS only at a port that no sidecar intercepts here."""
        return self.mesh.requires_mtls(self.running, port)


@dataclass(frozen=True, slots=True)
class GatewayPod:
    """A pod of a gateway: its only container is an Envoy."""

    planned: PlannedGateway
    running: RunningProxy

    def document(self) -> Json:
        """The Pod object."""
        return kubernetes.gateway_pod(self.planned, self.running)

    def log_file(self, _container: str) -> Path | None:
        """The log of Envoy; None if the mesh does not keep it."""
        return self.running.log_file

    def port(self, port: str) -> int | None:
        """A port on which it listens, by number or name."""
        return kubernetes.container_port(self.planned.pod, port)

    def address(self, port: int) -> Address | None:
        """Where a client outside the mesh reaches a port."""
        return self.planned.as_endpoint(ready=True, host=self.running.host).addresses.get(port)

    def requires_mtls(self, _port: int) -> bool:
        """Gateways do not require the certificates of the mesh."""
        return False


def pods(mesh: Mesh, namespace: str | None = None) -> Iterator[WorkloadPod | GatewayPod]:
    """The pods of one namespace or of all, in the order of their names."""
    for key in sorted({**mesh.pods, **mesh.gateways}):
        pod = find_pod(mesh, *key)
        if pod is not None and namespace in (None, key[0]):
            yield pod


def find_pod(mesh: Mesh, namespace: str, name: str) -> WorkloadPod | GatewayPod | None:
    """One pod; None if there is none of that name."""
    key = (namespace, name)
    if key in mesh.pods:
        return WorkloadPod(mesh, mesh.pods[key])
    planned, running = mesh.desired_state.gateways.get(key), mesh.gateways.get(key)
    return GatewayPod(planned, running) if planned is not None and running is not None else None
