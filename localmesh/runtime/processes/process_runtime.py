"""The runtime of `localmesh up`: pods and Envoys are processes of this machine, on ports of the loopback."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from localmesh.catalog import LOOPBACK, Address, Proxy
from localmesh.catalog.addressing import PlannedGateway, PlannedPod
from localmesh.catalog.config_data import ConfigData
from localmesh.catalog.locality import Locality
from localmesh.runtime.background import attempt, start_task, stop_tasks
from localmesh.runtime.processes.addresses import LoopbackAllocator
from localmesh.runtime.processes.envoy import Envoy, EnvoyFiles, node_id
from localmesh.runtime.processes.log_limit import PROXY_LOG_SUFFIX, limit_logs
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.runtime.protocols import RunningPod
from localmesh.runtime.workloads import FreePorts, Pod, PodFacts
from localmesh.runtime.workloads.programs import Programs
from localmesh.telemetry.reading import envoy_metrics
from localmesh.xds import AdsServer

_START_SECONDS = 20
_RESTART_PAUSE_SECONDS = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Open:
    """What the parts of a mesh need while the runtime is open."""

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
        """Folder of the logs: one file per workload, one per proxy."""
        return self.state_folder / "logs"


class SupervisedEnvoy:
    """The Envoy of one proxy, restarted when it ends."""

    def __init__(self, proxy: Proxy, runtime: _Open) -> None:
        self.proxy = proxy
        self.restarts = 0
        self.ready = False
        self.log_file = runtime.log_folder / proxy.namespace / f"{proxy.name}{PROXY_LOG_SUFFIX}"
        self._runtime = runtime
        self._files = EnvoyFiles(
            control_plane=runtime.control_plane,
            admin=Address(LOOPBACK, runtime.free_ports.take()),
            state_folder=runtime.state_folder,
            log_file=self.log_file,
            environment={"PATH": os.environ.get("PATH", "")},
        )
        self._envoy: Envoy | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def admin(self) -> Address:
        """The address of Envoy's admin interface."""
        return self._files.admin

    @property
    def statistics(self) -> Address:
        """Where Envoy's `/stats` and `/clusters` are answered."""
        return self.admin

    @property
    def pid(self) -> int | None:
        """Its process id; None before it has been started."""
        return self._envoy.pid if self._envoy is not None else None

    @property
    def host(self) -> None:
        """None: it is reached where it listens."""
        return None

    def url(self, listen: Address, scheme: str = "http") -> str:
        """Where people reach an address on which a gateway listens."""
        return f"{scheme}://{listen}"

    async def metrics(self) -> str:
        """Its metrics in Prometheus' text format; "" if it does not answer."""
        return await envoy_metrics(self._runtime.client, self.admin)

    async def start(self) -> None:
        """Starts Envoy; returns when it is ready. Raises EnvoyError, RejectedError or StartError."""
        await self._start_once()
        self._keeper = start_task(self._keep(), f"supervising the Envoy of {self.proxy.name}")

    async def stop(self) -> None:
        """Stops Envoy."""
        self.ready = False
        await stop_tasks(self._keeper)
        if self._envoy is not None:
            await self._envoy.stop()
        self._runtime.free_ports.give_back(self.admin.port)

    async def _start_once(self) -> None:
        self._envoy = await Envoy.start(self.proxy, self._files, self._runtime.processes)
        timeout_seconds = _START_SECONDS + self._runtime.ads.longest_transfer_seconds
        ready = asyncio.create_task(self._envoy.ready(self._runtime.client, timeout_seconds))
        rejection = asyncio.create_task(self._runtime.ads.rejection(node_id(self.proxy)))
        try:
            await asyncio.wait({ready, rejection}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise rejection.result()
            ready.result()
        finally:
            ready.cancel()
            rejection.cancel()
            await asyncio.gather(ready, rejection, return_exceptions=True)
        self.ready = True

    async def _keep(self) -> None:
        while self._envoy is not None:
            error = await self._envoy.ended()
            self.ready = False
            self._runtime.on_change()
            _log.warning("%s; it is restarted", error)
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            self.restarts += 1
            await attempt(self._start_once, f"restarting the Envoy of {self.proxy.name}")
            self._runtime.on_change()


class ProcessRuntime:
    """Starts pods as processes; `ingress_ports` fixes the ports of Istio's ingress gateway by target port."""

    def __init__(
        self,
        state_folder: Path,
        programs: Programs,
        ingress_ports: Mapping[int, int] | None = None,
        zones: Sequence[Locality] = (),
    ) -> None:
        self._state_folder = state_folder
        self._programs = programs
        self._processes = ProcessSupervisor(state_folder)
        self._free_ports = FreePorts()
        self._addresses = LoopbackAllocator(self._free_ports, ingress_ports, zones)
        self._open: _Open | None = None
        self._limiting_logs: asyncio.Task[None] | None = None
        self.api_url = ""

    @property
    def addresses(self) -> LoopbackAllocator:
        """Free ports of the loopback."""
        return self._addresses

    @property
    def owner_environment(self) -> Mapping[str, str]:
        """Environment for programs that have to end with the mesh, even if it is killed."""
        return self._processes.owner_environment

    async def open(self, ads: AdsServer, on_change: Callable[[], None]) -> None:
        """Locks the state folder and starts `ads` on a free port. Raises StateFolderInUseError."""
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
                working_directory=self._programs.folder,
                on_change=on_change,
            )
            self._limiting_logs = start_task(limit_logs(self._open.log_folder), "limiting logs")
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends all processes and releases the ports."""
        await stop_tasks(self._limiting_logs)
        if self._open is not None:
            await self._open.client.close()
        await self._processes.close()
        self._addresses.close()
        self._free_ports.close()

    @property
    def programs(self) -> Programs:
        """Which commands of containers are run."""
        return self._programs

    def pod(self, planned: PlannedPod, config: ConfigData) -> RunningPod:
        """A pod and its sidecar, not started yet."""
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        runtime = self._open
        outbound = planned.proxy.outbound if planned.proxy else None
        facts = PodFacts(
            workload=planned.workload,
            ordinal=planned.ordinal,
            ports=planned.ports,
            state_folder=runtime.state_folder,
            working_directory=runtime.working_directory,
            outbound_proxy=f"http://{outbound}" if outbound else None,
            config=config,
            node_name=planned.pod.locality.node,
            api_url=self.api_url,
            called=planned.called,
        )
        pod = Pod(facts, runtime.processes, runtime.log_folder, lambda _: runtime.on_change())
        return RunningPod(planned, pod, SupervisedEnvoy(planned.proxy, runtime) if planned.proxy else None)

    def gateway(self, planned: PlannedGateway) -> SupervisedEnvoy:
        """A gateway, not started yet."""
        assert self._open is not None  # noqa: S101 - for the type checker: set on opening
        return SupervisedEnvoy(planned.proxy, self._open)
