"""Runs the probes of one container: whether it has started, is ready, or has to be restarted.

As in Kubernetes, the startup probe runs first and the others wait for it, readiness gates traffic, and a
startup or liveness probe that fails too often causes a restart. One thing is faster: until a container is
ready for the first time it is probed every 25 ms (by a command: every 250 ms), less and less often after
three seconds, and without waiting for `initialDelaySeconds`, so that a mesh is up as soon as its programs
are. Such an early success counts, an early failure does not: a slow container has the same time as in
Kubernetes.

A container without a startup or readiness probe that declares ports is ready when the first of them
accepts a connection; without ports, as soon as it runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localmesh.catalog.container import Container
from localmesh.catalog.probe import Execute, Probe, TcpSocket
from localmesh.runtime.workloads.probe_client import ProbeClient, Target, probe_client

_QUICK_PAUSE_SECONDS = 0.025
_QUICK_COMMAND_PAUSE_SECONDS = 0.25  # each one is a process
_QUICK_UNTIL_SECONDS = 3.0
_SLOWING_DOWN = 1.3


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """Why a container has to be restarted, and the probe that failed."""

    reason: str
    probe: Probe
    never_started: bool = False


class Prober:
    """Probes one container from its start; `on_change` is called when `started` or `ready` changes."""

    def __init__(self, container: Container, target: Target, on_change: Callable[[], None]) -> None:
        self.started = False
        self.ready = False
        self._last_failure: str | None = None
        self._probing = "start"
        self._container = container
        self._target = target
        self._on_change = on_change
        self._start = time.monotonic()

    @property
    def waiting_for(self) -> str:
        """What it waits for, with the last answer."""
        return f"{self._probing}: {self._last_failure}" if self._last_failure else self._probing

    async def run(self) -> Unhealthy:
        """Probes until the container has to be restarted; returns the reason."""
        async with probe_client(self._target) as client:
            if (startup := self._container.startup) is not None:
                self._probing = "startup probe"
                allowed_seconds = (
                    startup.initial_delay_seconds + startup.failure_threshold * startup.period_seconds
                )
                if not await self._until_success(client, startup, allowed_seconds):
                    reason = f"startup probe failed for {allowed_seconds:g} s: {self._last_failure}"
                    return Unhealthy(reason, startup, never_started=True)
            self.started = True
            self._on_change()
            return await self._supervise(client)

    async def _supervise(self, client: ProbeClient) -> Unhealthy:
        async with asyncio.TaskGroup() as group:
            readiness = group.create_task(self._follow_readiness(client))
            unhealthy = await self._until_unhealthy(client)
            readiness.cancel()
        return unhealthy

    async def _follow_readiness(self, client: ProbeClient) -> None:
        probe = self._container.readiness
        first = probe or self._implicit_probe()
        if first is not None:
            self._probing = "readiness probe" if probe else f"port {self._first_port} to accept connections"
            await self._until_success(client, first)
        self._set_ready(True)
        while probe is not None:
            wanted = not self.ready
            await self._until_run_of(client, probe, success=wanted)
            self._set_ready(wanted)

    async def _until_unhealthy(self, client: ProbeClient) -> Unhealthy:
        probe = self._container.liveness
        if probe is None:
            never: asyncio.Future[Unhealthy] = asyncio.get_running_loop().create_future()
            return await never
        await asyncio.sleep(max(0.0, self._start + probe.initial_delay_seconds - time.monotonic()))
        await self._until_run_of(client, probe, success=False)
        reason = f"liveness probe failed {probe.failure_threshold} times: {self._last_failure}"
        return Unhealthy(reason, probe)

    def _implicit_probe(self) -> Probe | None:
        if self._container.startup is not None or self._first_port is None:
            return None
        return Probe(TcpSocket(self._first_port), period_seconds=1)

    @property
    def _first_port(self) -> int | None:
        return next((port.number for port in self._container.ports if port.protocol == "TCP"), None)

    async def _until_success(
        self, client: ProbeClient, probe: Probe, allowed_seconds: float | None = None
    ) -> bool:
        """Probes often until `successThreshold` successes in a row; False after the allowed time."""
        successes = 0
        for pause in _pauses(probe):
            successes = successes + 1 if await self._succeeds(client, probe) else 0
            if successes >= probe.success_threshold:
                return True
            if allowed_seconds is not None and time.monotonic() - self._start > allowed_seconds:
                return False
            await asyncio.sleep(pause)
        return False

    async def _until_run_of(self, client: ProbeClient, probe: Probe, *, success: bool) -> None:
        """Probes once a period until the result was the same as often in a row as the threshold says."""
        wanted = probe.success_threshold if success else probe.failure_threshold
        run = 0
        while run < wanted:
            await asyncio.sleep(probe.period_seconds)
            run = run + 1 if await self._succeeds(client, probe) == success else 0

    async def _succeeds(self, client: ProbeClient, probe: Probe) -> bool:
        failure = await client.failure(probe.action, probe.timeout_seconds)
        if failure is not None:
            self._last_failure = failure
        return failure is None

    def _set_ready(self, ready: bool) -> None:
        self.ready = ready
        self._on_change()


def _pauses(probe: Probe) -> Iterator[float]:
    """The seconds between probes: short at first, then growing to the probe's own period."""
    quick = _QUICK_COMMAND_PAUSE_SECONDS if isinstance(probe.action, Execute) else _QUICK_PAUSE_SECONDS
    pause = min(quick, probe.period_seconds)
    passed = 0.0
    while True:
        yield pause
        passed += pause
        if passed >= _QUICK_UNTIL_SECONDS:
            pause = min(pause * _SLOWING_DOWN, probe.period_seconds)
