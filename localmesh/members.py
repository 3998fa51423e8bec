"""What runs of a mesh: pods with their sidecars, and gateways; kept running, started and stopped as one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from localmesh.catalog import Address, Proxy
from localmesh.catalog.config_data import ConfigData
from localmesh.envoy import Envoy, EnvoyPlace, node_id
from localmesh.layout import PlacedPod
from localmesh.process_table import ProcessTable
from localmesh.workloads import FreePorts, Pod, PodFacts
from localmesh.workloads.ports import LOOPBACK
from localmesh.xds import AdsServer

_READY_SECONDS = 60
_RESTART_PAUSE_SECONDS = 0.5
_LONGEST_GRACE_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """What members stand on; `on_change` is told whenever a pod's readiness may have changed."""

    processes: ProcessTable
    ads: AdsServer
    control_plane: Address
    client: aiohttp.ClientSession
    free_ports: FreePorts
    state_folder: Path
    working_directory: Path
    on_change: Callable[[], None]

    @property
    def log_folder(self) -> Path:
        """Where the logs are: one file per workload, one per proxy."""
        return self.state_folder / "logs"


class KeptEnvoy:
    """The Envoy of one proxy, started again should it end."""

    def __init__(self, proxy: Proxy, ground: Ground) -> None:
        self.proxy = proxy
        self.restarts = 0
        self.ready = False
        self.log_file = ground.log_folder / proxy.namespace / f"{proxy.name}.envoy.log"
        self._ground = ground
        self._place = EnvoyPlace(
            control_plane=ground.control_plane,
            admin=Address(LOOPBACK, ground.free_ports.take()),
            state_folder=ground.state_folder,
            log_file=self.log_file,
            environment={"PATH": os.environ.get("PATH", "")},
        )
        self._envoy: Envoy | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def admin(self) -> Address:
        """Where people may look into it."""
        return self._place.admin

    @property
    def pid(self) -> int | None:
        """Its process id, None before it was started."""
        return self._envoy.pid if self._envoy is not None else None

    async def start(self) -> None:
        """Starts it and returns when it takes requests. Raises EnvoyError, RejectedError or StartError."""
        await self._start_once()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stops it for good."""
        self.ready = False
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._envoy is not None:
            await self._envoy.stop()
        self._ground.free_ports.give_back(self.admin.port)

    async def _start_once(self) -> None:
        self._envoy = await Envoy.start(self.proxy, self._place, self._ground.processes)
        ready = asyncio.create_task(self._envoy.ready(self._ground.client))
        refusal = asyncio.create_task(self._ground.ads.refusal(node_id(self.proxy)))
        try:
            await asyncio.wait({ready, refusal}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise refusal.result()
            ready.result()
        finally:
            ready.cancel()
            refusal.cancel()
            await asyncio.gather(ready, refusal, return_exceptions=True)
        self.ready = True

    async def _keep(self) -> None:
        while self._envoy is not None:
            error = await self._envoy.ended()
            self.ready = False
            self._ground.on_change()
            _log.warning("%s; it is started again", error)
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            self.restarts += 1
            try:
                await self._start_once()
            except Exception as again:  # whatever the cause, the next round tries once more
                _log.warning("%s", again)
            self._ground.on_change()


@dataclass(slots=True)
class Member:
    """One running pod and its sidecar, if it has one."""

    placed: PlacedPod
    pod: Pod
    envoy: KeptEnvoy | None = field(default=None)

    @classmethod
    def of(cls, placed: PlacedPod, config: ConfigData, ground: Ground) -> Member:
        """A member that is not started yet."""
        outbound = placed.proxy.outbound if placed.proxy else None
        facts = PodFacts(
            workload=placed.workload,
            ordinal=placed.ordinal,
            ports=placed.ports,
            state_folder=ground.state_folder,
            working_directory=ground.working_directory,
            outbound_proxy=f"http://{outbound}" if outbound else None,
            config=config,
        )
        pod = Pod(facts, ground.processes, ground.log_folder, lambda _: ground.on_change())
        return cls(placed, pod, KeptEnvoy(placed.proxy, ground) if placed.proxy else None)

    @property
    def ready(self) -> bool:
        """Whether it may be sent requests: the application and its sidecar both."""
        return self.pod.ready and (self.envoy is None or self.envoy.ready)

    async def start(self) -> None:
        """Starts both and returns when both are ready. Raises what either raises, the other still running."""
        await self.pod.start()
        async with asyncio.TaskGroup() as group:
            if self.envoy is not None:
                group.create_task(self.envoy.start())
            group.create_task(self.pod.until_ready(_READY_SECONDS))

    async def stop(self) -> None:
        """Stops the application, then the sidecar, through which its last requests still pass."""
        grace_seconds = min(self.placed.workload.termination_grace_seconds, _LONGEST_GRACE_SECONDS)
        await self.pod.stop(grace_seconds)
        if self.envoy is not None:
            await self.envoy.stop()


Running = Member | KeptEnvoy
"""A part of the mesh that can be started and stopped."""
