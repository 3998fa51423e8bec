"""Members as processes of this machine, each pod and each Envoy on ports of the loopback."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from localmesh.catalog import LOOPBACK, Address, Proxy
from localmesh.catalog.addressing import PlannedGateway, PlannedPod
from localmesh.catalog.config_data import ConfigData
from localmesh.runtime.background import attempt, start_task, stop_tasks
from localmesh.runtime.processes.addresses import LoopbackAllocator
from localmesh.runtime.processes.envoy import Envoy, EnvoyFiles, node_id
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.runtime.protocols import RunningWorkload
from localmesh.runtime.workloads import FreePorts, Pod, PodFacts
from localmesh.xds import AdsServer

_RESTART_PAUSE_SECONDS = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Open:
    """What processes need while the ground is open."""

    processes: ProcessSupervisor
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


class SupervisedEnvoy:
    """The Envoy of one proxy, started again should it end."""

    def __init__(self, proxy: Proxy, ground: _Open) -> None:
        self.proxy = proxy
        self.restarts = 0
        self.ready = False
        self.log_file = ground.log_folder / proxy.namespace / f"{proxy.name}.envoy.log"
        self._ground = ground
        self._place = EnvoyFiles(
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

    @property
    def host(self) -> None:
        """It is reached where it listens."""
        return None

    def url(self, listen: Address, scheme: str = "http") -> str:
        """Where people reach an address at which a gateway listens."""
        return f"{scheme}://{listen}"

    async def start(self) -> None:
        """Starts it and returns when it takes requests. Raises EnvoyError, RejectedError or StartError."""
        await self._start_once()
        self._keeper = start_task(self._keep(), f"supervising the Envoy of {self.proxy.name}")

    async def stop(self) -> None:
        """Stops it for good."""
        self.ready = False
        await stop_tasks(self._keeper)
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
            await attempt(self._start_once, f"restarting the Envoy of {self.proxy.name}")
            self._ground.on_change()


class ProcessRuntime:
    """Starts members as processes; `ingress_ports` fixes those of Istio's ingress gateway by target port."""

    def __init__(
        self, state_folder: Path, working_directory: Path, ingress_ports: Mapping[int, int] | None = None
    ) -> None:
        self._state_folder = state_folder
        self._working_directory = working_directory
        self._processes = ProcessSupervisor(state_folder)
        self._free_ports = FreePorts()
        self._addresses = LoopbackAllocator(self._free_ports, ingress_ports)
        self._open: _Open | None = None

    @property
    def addresses(self) -> LoopbackAllocator:
        """Free ports of the loopback."""
        return self._addresses

    @property
    def mark(self) -> Mapping[str, str]:
        """Environment for programs that are to end with the mesh, whatever happens to it."""
        return self._processes.mark

    async def open(self, ads: AdsServer, on_change: Callable[[], None]) -> None:
        """Takes the state folder and starts `ads` on a free port. Raises StateFolderInUseError."""
        await self._processes.open()
        try:
            port = await ads.start()
            self._open = _Open(
                processes=self._processes,
                ads=ads,
                control_plane=Address(LOOPBACK, port),
                client=aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)),
                free_ports=self._free_ports,
                state_folder=self._state_folder,
                working_directory=self._working_directory,
                on_change=on_change,
            )
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends whatever still runs and lets go of the ports."""
        if self._open is not None:
            await self._open.client.close()
        await self._processes.close()
        self._free_ports.close()

    def member(self, placed: PlannedPod, config: ConfigData) -> RunningWorkload:
        """A pod and its sidecar that are not started yet."""
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        ground = self._open
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
        return RunningWorkload(placed, pod, SupervisedEnvoy(placed.proxy, ground) if placed.proxy else None)

    def gateway(self, planned: PlannedGateway) -> SupervisedEnvoy:
        """A gateway that is not started yet."""
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        return SupervisedEnvoy(planned.proxy, self._open)
