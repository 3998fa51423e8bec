"""What runs of a mesh: pods with their sidecars, gateways, and the ground that all of it stands on.

The ground is the one place that knows where members run: as processes of this machine (`process_ground`) or
in containers that somebody else has started (`served`). All the rest of localmesh is the same for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localmesh.catalog import Address, Proxy
from localmesh.catalog import Pod as Endpoint
from localmesh.catalog.addressing import AddressAllocator, PlannedGateway, PlannedPod
from localmesh.catalog.config_data import ConfigData
from localmesh.runtime.workloads import ContainerStatus, PodState
from localmesh.xds import AdsServer

_READY_SECONDS = 60
_LONGEST_GRACE_SECONDS = 10.0


class RunningProxy(Protocol):
    """The Envoy of one proxy."""

    @property
    def proxy(self) -> Proxy:
        """Whose it is."""

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""

    @property
    def restarts(self) -> int:
        """How often it was started again, as far as that is known."""

    @property
    def admin(self) -> Address | None:
        """Where people may look into it; None where they cannot from here."""

    @property
    def log_file(self) -> Path | None:
        """Its log; None where it is not kept by the mesh."""

    @property
    def host(self) -> str | None:
        """The address at which its ports are reached, where that is not the one at which it listens."""

    def url(self, listen: Address, scheme: str = "http") -> str:
        """Where people reach an address at which a gateway listens."""

    async def start(self) -> None:
        """Begins with it."""

    async def stop(self) -> None:
        """Ends with it."""


class RunningPod(Protocol):
    """The application of one pod."""

    @property
    def host(self) -> str | None:
        """The address at which its ports are reached now; None while it is not known."""

    @property
    def ready(self) -> bool:
        """Whether it may be sent requests."""

    @property
    def state(self) -> PodState:
        """Where it is in its life."""

    @property
    def restarts(self) -> int:
        """How often its containers have been restarted, as far as that is known."""

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """Each container as it is now."""

    @property
    def log_file(self) -> Path | None:
        """What it has written; None where that is not kept by the mesh."""

    async def start(self) -> None:
        """Begins with it; returns before it is ready."""

    async def until_ready(self, timeout_seconds: float) -> None:
        """Waits until it is ready, for as long as that is worth waiting for."""

    async def stop(self, grace_seconds: float) -> None:
        """Ends with it."""


@dataclass(slots=True)
class RunningWorkload:
    """One running pod and its sidecar, if it has one."""

    placed: PlannedPod
    pod: RunningPod
    envoy: RunningProxy | None = field(default=None)

    @property
    def ready(self) -> bool:
        """Whether it may be sent requests: the application and its sidecar both."""
        return self.pod.ready and (self.envoy is None or self.envoy.ready)

    def as_endpoint(self, placed: PlannedPod) -> Endpoint:
        """The pod as translation sees it now, with what `placed` says of it."""
        return placed.as_endpoint(ready=self.ready, host=self.pod.host)

    async def start(self) -> None:
        """Starts both and returns when both are ready. Raises what either raises, the other still running."""
        await self.pod.start()
        async with asyncio.TaskGroup() as group:
            if self.envoy is not None:
                group.create_task(self.envoy.start())
            group.create_task(self.pod.until_ready(_READY_SECONDS))

    async def stop(self, longest_grace_seconds: float = _LONGEST_GRACE_SECONDS) -> None:
        """Stops the application, then the sidecar, through which its last requests still pass."""
        await self.pod.stop(min(self.placed.workload.termination_grace_seconds, longest_grace_seconds))
        if self.envoy is not None:
            await self.envoy.stop()


Running = RunningWorkload | RunningProxy
"""A part of the mesh that can be started and stopped."""


class Runtime(Protocol):
    """Where members run, and at which addresses."""

    @property
    def addresses(self) -> AddressAllocator:
        """Where everything listens."""

    @property
    def mark(self) -> Mapping[str, str]:
        """Environment for programs that are to end with the mesh, whatever happens to it."""

    async def open(self, ads: AdsServer, on_change: Callable[[], None]) -> None:
        """Starts `ads` where the proxies find it; `on_change` is told whenever readiness may have changed."""

    async def close(self) -> None:
        """Lets go of everything, after the members were stopped."""

    def member(self, placed: PlannedPod, config: ConfigData) -> RunningWorkload:
        """A member that is not started yet."""

    def gateway(self, planned: PlannedGateway) -> RunningProxy:
        """A gateway that is not started yet."""
