"""Applications and proxies that somebody else has started: asked how they are, never started or stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from localmesh.catalog import Address, Proxy
from localmesh.catalog.addressing import PlannedPod
from localmesh.catalog.container import Container
from localmesh.catalog.default_gateways import HTTP_TARGET_PORT
from localmesh.runtime.background import start_task, stop_tasks
from localmesh.runtime.external.addresses import InventoryAllocator
from localmesh.runtime.external.inventory import GatewayEntry, PodEntry
from localmesh.runtime.processes.envoy import node_id
from localmesh.runtime.workloads import ContainerStatus, PodState
from localmesh.runtime.workloads.prober import Prober
from localmesh.runtime.workloads.probes import Target
from localmesh.xds import AdsServer

HEALTH_PATH = "/healthz/ready"
"""Where a proxy says that it takes requests, as in Istio."""
_PAUSE_SECONDS = 1.0
_PAUSE_WHILE_MISSED_SECONDS = 0.25
_CONNECT_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 10.0
_LATE_IN_A_ROW = 4  # the `failureThreshold` of an Istio sidecar's readiness probe

_log = logging.getLogger(__name__)


async def addresses_of(host: str) -> tuple[str, ...]:
    """The addresses that a host has now, those of IPv4 first; none while its name is not known."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    ordered = sorted(found, key=lambda info: info[0] != socket.AF_INET)
    return tuple(dict.fromkeys(str(info[4][0]) for info in ordered))


@dataclass(frozen=True, slots=True)
class Watch:
    """What it takes to ask proxies how they are, and whom to tell when that has changed."""

    ads: AdsServer
    client: aiohttp.ClientSession
    on_change: Callable[[], None]


class ExternalPod:
    """The application of one pod, at its place.

    That a program has ended nobody tells: the pod is gone when a container's first port takes no connection.
    """

    restarts = 0

    def __init__(
        self,
        placed: PlannedPod,
        place: PodEntry,
        addresses: InventoryAllocator,
        on_change: Callable[[], None],
    ) -> None:
        self.host: str | None = None
        self.log_file: Path | None = place.log
        self._placed = placed
        self._place = place
        self._addresses = addresses
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._probers: dict[str, Prober] = {}
        self._probes: list[asyncio.Task[None]] = []
        self._follower: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether it is there and all of its containers say so."""
        return self.state is PodState.READY

    @property
    def state(self) -> PodState:
        """Pending while nothing is found at its place."""
        found = self.containers
        if self.host is None or not all(each.started for each in found):
            return PodState.PENDING
        return PodState.READY if all(each.ready for each in found) else PodState.RUNNING

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """Each container, as its probes tell."""
        return tuple(self._status(container) for container in self._placed.workload.containers)

    async def start(self) -> None:
        """Begins to look for it; from now on its containers must stay what they are."""
        self._addresses.hold(self._placed.name, self._placed.workload)
        self._follower = start_task(self._follow(), f"following pod {self._placed.name}")

    async def until_ready(self, timeout_seconds: float) -> None:
        """Waits a little while; a pod that comes later is taken in then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_seconds, _LONGEST_WAIT_SECONDS)):
                while not self.ready:
                    self._changed.clear()
                    await self._changed.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Asks no more."""
        del grace_seconds
        self._addresses.release(self._placed.name, self._placed.workload)
        await stop_tasks(self._follower)
        await self._lose()

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
            found = await self._found()
            if found != self.host:
                await self._lose()
                self.host = found
                if found is not None:
                    self._probes = [
                        start_task(self._probe(container), f"probing {self._placed.name}")
                        for container in self._placed.workload.containers
                    ]
                self._notify()
            await asyncio.sleep(_PAUSE_WHILE_MISSED_SECONDS if found is None else _PAUSE_SECONDS)

    async def _found(self) -> str | None:
        """The address at which it is now; one that only answers late is not gone."""
        known = await addresses_of(self._place.host)
        if not known:
            return None
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                for container in self._placed.workload.containers:
                    await self._connect(known[0], container)
        except TimeoutError:
            return self.host
        except OSError:
            return None
        return known[0]

    async def _connect(self, address: str, container: Container) -> None:
        ports = [port.number for port in container.ports if port.protocol == "TCP"]
        if ports:
            _, writer = await asyncio.open_connection(address, self._place.application_port(ports[0]))
            writer.close()

    async def _lose(self) -> None:
        self.host = None
        await stop_tasks(*self._probes)
        self._probes, self._probers = [], {}

    async def _probe(self, container: Container) -> None:
        """Probes for ever: where a kubelet would restart the container, it is only not ready."""
        target = Target(self._place.application_port, _cannot_execute, self._place.host)
        while True:
            prober = self._probers[container.name] = Prober(container, target, self._notify)
            unhealthy = await prober.run()
            _log.warning("container %s of %s: %s", container.name, self._placed.name, unhealthy.reason)
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._on_change()


class ExternalProxy:
    """The Envoy of one proxy, at its place: ready when it says so, and has what it was sent at first.

    What it is sent later it may acknowledge late, and it may answer late a few times: on a busy machine
    both happen, and without its pod requests would find nobody. A refused connection says that it is gone.
    """

    restarts = 0
    admin: Address | None = None
    log_file: Path | None = None

    def __init__(
        self,
        proxy: Proxy,
        place: PodEntry | GatewayEntry,
        watch: Watch,
        public_url: str | None = None,
    ) -> None:
        self.proxy = proxy
        self.ready = False
        self._place = place
        self._watch = watch
        self._public_url = public_url
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._late = 0
        self.host: str | None = None

    def url(self, listen: Address, scheme: str = "http") -> str:
        """Where people reach an address at which a gateway listens."""
        place = self._place
        if (
            self._public_url
            and isinstance(place, GatewayEntry)
            and listen.port == place.port(HTTP_TARGET_PORT)
        ):
            return self._public_url
        return f"{scheme}://{place.host}:{listen.port}"

    async def start(self) -> None:
        """Begins to ask and waits a little while; one that comes later is taken in then."""
        self._tasks = [
            start_task(self._follow(), f"following the proxy of {self.proxy.name}"),
            start_task(self._tell_refusals(), f"following the refusals of {self.proxy.name}"),
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                while not self.ready:
                    await self._changed.wait()
                    self._changed.clear()

    async def stop(self) -> None:
        """Asks no more."""
        self.ready = False
        await stop_tasks(*self._tasks)

    async def _follow(self) -> None:
        while True:
            ready, host = await self.is_ready(), next(iter(await addresses_of(self._place.host)), None)
            if (ready, host) != (self.ready, self.host):
                self.ready, self.host = ready, host
                self._changed.set()
                self._watch.on_change()
            await asyncio.sleep(_PAUSE_SECONDS if ready else _PAUSE_WHILE_MISSED_SECONDS)

    async def is_ready(self) -> bool:
        """Whether it is now, as it says itself."""
        try:
            says_so = await self._says_ready()
        except TimeoutError:
            self._late += 1
            return self.ready and self._late < _LATE_IN_A_ROW
        self._late = 0
        return says_so and (self.ready or self._watch.ads.synced(node_id(self.proxy)))

    async def _says_ready(self) -> bool:
        url = f"http://{self._place.host}:{self._place.health}{HEALTH_PATH}"
        try:
            async with self._watch.client.get(url) as answer:
                return answer.status == 200
        except TimeoutError:  # some of them are ClientErrors, too
            raise
        except aiohttp.ClientError:
            return False

    async def _tell_refusals(self) -> None:
        """What a proxy refuses when it connects is told to nobody else."""
        told = ""
        while True:
            error = await self._watch.ads.refusal(node_id(self.proxy))
            if str(error) != told:
                told = str(error)
                _log.warning("%s", told)
            await asyncio.sleep(_LONGEST_WAIT_SECONDS)


async def _cannot_execute(words: tuple[str, ...], timeout_seconds: float) -> int | None:
    del timeout_seconds
    raise OSError(f"{' '.join(words)} cannot be run in a container that localmesh has not started")
