"""Applications and proxies that are started elsewhere: probed, but never started or stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import aiohttp

from localmesh.catalog import Address, Proxy
from localmesh.catalog.addressing import PlannedPod
from localmesh.catalog.container import Container
from localmesh.errors import InvalidRequestError
from localmesh.runtime.background import start_task, stop_tasks
from localmesh.runtime.external.addresses import InventoryAllocator
from localmesh.runtime.external.inventory import GatewayEntry, PodEntry
from localmesh.runtime.processes.envoy import node_id
from localmesh.runtime.workloads import ContainerStatus, PodState
from localmesh.runtime.workloads.environment import Launch
from localmesh.runtime.workloads.probe_client import Target
from localmesh.runtime.workloads.prober import Prober
from localmesh.telemetry.istio_metrics import STATS_PATH
from localmesh.telemetry.reading import metrics_text
from localmesh.xds import AdsServer

HEALTH_PATH = "/healthz/ready"
"""Where a proxy reports that it is ready, as in Istio."""
_PAUSE_SECONDS = 1.0
_PAUSE_WHILE_MISSING_SECONDS = 0.25
_CONNECT_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 10.0
_LATE_IN_A_ROW = 4  # the `failureThreshold` of an Istio sidecar's readiness probe

_log = logging.getLogger(__name__)


async def addresses_of(host: str) -> tuple[str, ...]:
    """The current addresses of a host, IPv4 first; none while its name cannot be resolved."""
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    ordered = sorted(infos, key=lambda info: info[0] != socket.AF_INET)
    return tuple(dict.fromkeys(str(info[4][0]) for info in ordered))


@dataclass(frozen=True, slots=True)
class Watch:
    """What is needed to watch proxies; `on_change` is called when their readiness changes."""

    ads: AdsServer
    client: aiohttp.ClientSession
    on_change: Callable[[], None]


class ExternalApplication:
    """The application of one pod at the address of its inventory entry.

    We are not notified when a process exits: the pod is gone when the first port of a container refuses
    connections.
    """

    restarts = 0

    def __init__(
        self,
        planned: PlannedPod,
        entry: PodEntry,
        addresses: InventoryAllocator,
        on_change: Callable[[], None],
    ) -> None:
        self.host: str | None = None
        self.log_file: Path | None = entry.log
        self._planned = planned
        self._entry = entry
        self._addresses = addresses
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._probers: dict[str, Prober] = {}
        self._probes: list[asyncio.Task[None]] = []
        self._follower: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether it answers and all of its containers are ready."""
        return self.state is PodState.READY

    @property
    def done(self) -> bool:
        """Never: it serves as long as the mesh runs."""
        return False

    @property
    def state(self) -> PodState:
        """Pending while nothing answers at its address."""
        containers = self.containers
        if self.host is None or not all(container.started for container in containers):
            return PodState.PENDING
        return PodState.READY if all(container.ready for container in containers) else PodState.RUNNING

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """The status of each container according to its probes."""
        return tuple(self._status(container) for container in self._planned.workload.containers)

    def launch(self, container: str, command: Sequence[str]) -> Launch:
        """Raises InvalidRequestError: the mesh has not started the containers."""
        del container, command
        name = self._planned.name
        reason = f"pod {name} was started elsewhere: run the command there, as with `docker compose exec`"
        raise InvalidRequestError(reason)

    async def start(self) -> None:
        """Starts to probe it; from now on the manifests must not change its containers."""
        self._addresses.add_running(self._planned.name, self._planned.workload)
        self._follower = start_task(self._follow(), f"following pod {self._planned.name}")

    async def until_ready(self, timeout_seconds: float) -> None:
        """Waits for a short time; a pod that is ready later is added then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_seconds, _LONGEST_WAIT_SECONDS)):
                while not self.ready:
                    self._changed.clear()
                    await self._changed.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Stops probing; the application continues to run."""
        del grace_seconds
        self._addresses.remove_running(self._planned.name, self._planned.workload)
        await stop_tasks(self._follower)
        await self._reset()

    def _status(self, container: Container) -> ContainerStatus:
        prober = self._probers.get(container.name)
        return ContainerStatus(
            name=container.name,
            running=self.host is not None,
            started=prober is not None and prober.started,
            ready=prober is not None and prober.ready,
            restarts=0,
            pid=None,
            last_end=None,
        )

    async def _follow(self) -> None:
        while True:
            address = await self._current_address()
            if address != self.host:
                await self._reset()
                self.host = address
                if address is not None:
                    self._probes = [
                        start_task(self._probe(container), f"probing {self._planned.name}")
                        for container in self._planned.workload.containers
                    ]
                self._notify()
            await asyncio.sleep(_PAUSE_WHILE_MISSING_SECONDS if address is None else _PAUSE_SECONDS)

    async def _current_address(self) -> str | None:
        """The address at which it accepts connections; one that only answers late is not gone."""
        addresses = await addresses_of(self._entry.host)
        if not addresses:
            return None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                for container in self._planned.workload.containers:
                    await self._connect(addresses[0], container)
        except TimeoutError:
            return self.host
        except OSError:
            return None
        return addresses[0]

    async def _connect(self, address: str, container: Container) -> None:
        ports = [port.number for port in container.ports if port.protocol == "TCP"]
        if ports:
            _, writer = await asyncio.open_connection(address, self._entry.application_port(ports[0]))
            writer.close()

    async def _reset(self) -> None:
        self.host = None
        await stop_tasks(*self._probes)
        self._probes, self._probers = [], {}

    async def _probe(self, container: Container) -> None:
        """Probes until cancelled. Where a kubelet would restart the container, it is only not ready."""
        target = Target(self._entry.application_port, _cannot_execute, self._entry.host)
        while True:
            prober = self._probers[container.name] = Prober(container, target, self._notify)
            unhealthy = await prober.run()
            _log.warning("container %s of %s: %s", container.name, self._planned.name, unhealthy.reason)
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._on_change()


class ExternalProxy:
    """The Envoy of one proxy: ready when it reports so and has acknowledged its first configuration.

    Later updates may be acknowledged late, and a few health checks in a row may time out: both happen on a
    busy machine, and removing the pod would leave requests without an endpoint. A refused connection means
    that the proxy is gone. `public_urls` are the addresses of a gateway's ports for people.
    """

    restarts = 0
    admin: Address | None = None
    log_file: Path | None = None

    def __init__(
        self,
        proxy: Proxy,
        entry: PodEntry | GatewayEntry,
        watch: Watch,
        public_urls: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self.proxy = proxy
        self.ready = False
        self._entry = entry
        self._watch = watch
        self._public_urls = public_urls
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._late = 0
        self.host: str | None = None

    def url(self, listen: Address, scheme: str = "http") -> str:
        """Where people reach an address on which a gateway listens."""
        entry = self._entry
        for port, public in self._public_urls.items():
            if isinstance(entry, GatewayEntry) and listen.port == entry.port(port):
                return public
        return f"{scheme}://{entry.host}:{listen.port}"

    @property
    def statistics(self) -> Address:
        """Where Envoy's `/stats` and `/clusters` are answered."""
        return Address(self._entry.host, self._entry.health)

    async def metrics(self) -> str:
        """Its metrics in Prometheus' text format; "" if it does not answer."""
        url = f"http://{self._entry.host}:{self._entry.health}{STATS_PATH}"
        return await metrics_text(self._watch.client, url)

    async def start(self) -> None:
        """Starts to watch it and waits for a short time; one that is ready later is added then."""
        self._tasks = [
            start_task(self._follow(), f"following the proxy of {self.proxy.name}"),
            start_task(self._report_rejections(), f"following the rejections of {self.proxy.name}"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                while not self.ready:
                    await self._changed.wait()
                    self._changed.clear()

    async def stop(self) -> None:
        """Stops watching; the proxy continues to run."""
        self.ready = False
        await stop_tasks(*self._tasks)

    async def _follow(self) -> None:
        while True:
            ready, host = await self.is_ready(), next(iter(await addresses_of(self._entry.host)), None)
            if (ready, host) != (self.ready, self.host):
                self.ready, self.host = ready, host
                self._changed.set()
                self._watch.on_change()
            await asyncio.sleep(_PAUSE_SECONDS if ready else _PAUSE_WHILE_MISSING_SECONDS)

    async def is_ready(self) -> bool:
        """Whether it is ready now, by its own report."""
        try:
            reported = await self._reports_ready()
        except TimeoutError:
            self._late += 1
            return self.ready and self._late < _LATE_IN_A_ROW
        self._late = 0
        return reported and (self.ready or self._watch.ads.synced(node_id(self.proxy)))

    async def _reports_ready(self) -> bool:
        url = f"http://{self._entry.host}:{self._entry.health}{HEALTH_PATH}"
        try:
            async with self._watch.client.get(url) as answer:
                return answer.status == 200
        except TimeoutError:  # some of them are ClientErrors as well
            raise
        except aiohttp.ClientError:
            return False

    async def _report_rejections(self) -> None:
        """Logs the configuration that the proxy rejects when it connects: no apply waits for it then."""
        reported = ""
        while True:
            error = await self._watch.ads.rejection(node_id(self.proxy))
            if str(error) != reported:
                reported = str(error)
                _log.warning("%s", reported)
            await asyncio.sleep(_LONGEST_WAIT_SECONDS)


async def _cannot_execute(words: tuple[str, ...], timeout_seconds: float) -> int | None:
    del timeout_seconds
    raise OSError(f"{' '.join(words)} cannot be run in a container that localmesh has not started")
