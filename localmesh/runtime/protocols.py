"""What a running mesh consists of, and the runtime that starts and stops it.

A `Runtime` knows where pods run: as processes of this machine (`processes`) or in containers that are
started elsewhere (`external`). The rest of localmesh is the same for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localmesh.catalog import Address, Pod, Proxy
from localmesh.catalog.addressing import AddressAllocator, PlannedGateway, PlannedPod
from localmesh.catalog.config_data import ConfigData
from localmesh.runtime.workloads import ContainerStatus, PodState
from localmesh.runtime.workloads.environment import Launch
from localmesh.runtime.workloads.programs import Programs
from localmesh.xds import AdsServer

_READY_SECONDS = 60
_LONGEST_GRACE_SECONDS = 10.0


class RunningProxy(Protocol):
    """The Envoy of one proxy."""

    @property
    def proxy(self) -> Proxy:
        """The proxy that it runs."""

    @property
    def ready(self) -> bool:
        """Whether it accepts requests."""

    @property
    def restarts(self) -> int:
        """How often it has been restarted, as far as that is known."""

    @property
    def admin(self) -> Address | None:
        """The address of Envoy's admin interface; None if it cannot be reached from here."""

    @property
    def statistics(self) -> Address:
        """Where Envoy's `/stats` and `/clusters` are answered."""

    @property
    def log_file(self) -> Path | None:
        """Its log; None if the mesh does not keep it."""

    @property
    def host(self) -> str | None:
        """The address at which its ports are reached, if that is not the one on which it listens."""

    def url(self, listen: Address, scheme: str = "http") -> str:
        """Where people reach an address on which a gateway listens."""

    async def metrics(self) -> str:
        """Its metrics in Prometheus' text format; "" if it does not answer."""

    async def start(self) -> None:
        """Starts the proxy; returns when it is ready."""

    async def stop(self) -> None:
        """Stops the proxy."""


class RunningApplication(Protocol):
    """The containers of one pod, without its sidecar."""

    @property
    def host(self) -> str | None:
        """The address at which its ports are reached; None while it is not known."""

    @property
    def ready(self) -> bool:
        """Whether it may receive requests."""

    @property
    def done(self) -> bool:
        """Whether it has run to its end, as that of a Job does."""

    @property
    def state(self) -> PodState:
        """The phase of its life."""

    @property
    def restarts(self) -> int:
        """How often its containers have been restarted, as far as that is known."""

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """The current status of each container."""

    @property
    def log_file(self) -> Path | None:
        """Its log; None if the mesh does not keep it."""

    def launch(self, container: str, command: Sequence[str]) -> Launch:
        """How to run a further command as in a container, "" for the first. Raises LocalmeshError."""

    async def start(self) -> None:
        """Starts the containers; returns before they are ready."""

    async def until_ready(self, timeout_seconds: float) -> None:
        """Waits until it is ready, at most for that time."""

    async def stop(self, grace_seconds: float) -> None:
        """Stops the containers."""


@dataclass(slots=True)
class RunningPod:
    """One running pod: its application and its sidecar, if it has one."""

    planned: PlannedPod
    application: RunningApplication
    sidecar: RunningProxy | None = field(default=None)

    @property
    def ready(self) -> bool:
        """Whether it may receive requests: both the application and the sidecar are ready."""
        return self.application.ready and (self.sidecar is None or self.sidecar.ready)

    def as_endpoint(self, planned: PlannedPod) -> Pod:
        """The pod as translation sees it now; `planned` may be that of another desired state."""
        return planned.as_endpoint(ready=self.ready, host=self.application.host)

    async def start(self) -> None:
        """Starts both and returns when both are ready.

        Init containers and Jobs call others at once through the sidecar, which is ready before them (Istio,
        "Native sidecars"). Raises the error of the first that fails; the other one continues to run.
        """
        sidecar = self.sidecar
        workload = self.planned.workload
        if sidecar is not None and (workload.init_containers or workload.runs_once):
            await sidecar.start()
            sidecar = None
        await self.application.start()
        async with asyncio.TaskGroup() as group:
            if sidecar is not None:
                group.create_task(sidecar.start())
            group.create_task(self.application.until_ready(_READY_SECONDS))

    async def stop(self, longest_grace_seconds: float = _LONGEST_GRACE_SECONDS) -> None:
        """Stops the application, then the sidecar, through which its last requests still pass."""
        grace_seconds = self.planned.workload.termination_grace_seconds
        await self.application.stop(min(grace_seconds, longest_grace_seconds))
        if self.sidecar is not None:
            await self.sidecar.stop()


MeshPart = RunningPod | RunningProxy
"""A part of the mesh that can be started and stopped."""


class Runtime(Protocol):
    """Where pods and proxies run, and at which addresses."""

    api_url: str
    """Where the mesh serves its API, "" if it does not; pods that start later may learn it."""

    @property
    def addresses(self) -> AddressAllocator:
        """The addresses of pods and gateways."""

    @property
    def owner_environment(self) -> Mapping[str, str]:
        """Environment for programs that have to end with the mesh, even if it is killed."""

    async def open(self, ads: AdsServer, on_change: Callable[[], None]) -> None:
        """Starts `ads` where proxies connect; `on_change` is called when readiness may have changed."""

    async def close(self) -> None:
        """Releases all resources, after pods and gateways have been stopped."""

    @property
    def programs(self) -> Programs | None:
        """Which commands of containers are run; None where others have started the containers."""

    def pod(self, planned: PlannedPod, config: ConfigData) -> RunningPod:
        """A pod, not started yet."""

    def gateway(self, planned: PlannedGateway) -> RunningProxy:
        """A pod of a gateway, not started yet."""
