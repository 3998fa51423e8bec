"""Keeps one container running: starts, probes, restarts and stops it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from localmesh.catalog.container import Container
from localmesh.catalog.probe import Action, Execute, Probe
from localmesh.runtime.background import start_task, stop_tasks
from localmesh.runtime.processes.process import Command, Process, StartError, exit_reason
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.runtime.workloads.probe_client import Target, probe_client
from localmesh.runtime.workloads.prober import Prober, Unhealthy
from localmesh.runtime.workloads.rewriting import Rewriting

# Kubernetes: 10 s, doubling to 300 s, reset after 10 minutes: too long to wait for on a laptop.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
RESET_AFTER_SECONDS = 10.0

_POST_START_SECONDS = 60.0

_ONLY_IN_IMAGE = (
    "; if the program exists only in the image, remove the container's command: a stub then takes its place"
)

_log = logging.getLogger(__name__)


class BackOff:
    """Pauses before restarts: they double until a run was long enough."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def pause_after(self, run_seconds: float) -> float:
        """The seconds to wait after a run of that length."""
        if run_seconds >= RESET_AFTER_SECONDS:
            self._next = FIRST_PAUSE_SECONDS
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return pause


@dataclass(frozen=True, slots=True)
class End:
    """How a container ended: the reason, its exit status (None: it could not run), its last lines.

    `hopeless` means that a restart cannot help: it cannot be executed or has had all its time to start.
    """

    reason: str
    exit_status: int | None = None
    last_lines: tuple[str, ...] = ()
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Supervised:
    """The container, the command that runs it as a process, and the time that it has to stop."""

    container: Container
    command: Command
    rewriting: Rewriting
    grace_seconds: float
    retries: int | None = None
    """How often it is started again after a failure; None: after every end."""


class ContainerSupervisor:
    """Keeps one container running from `start` to `stop`.

    `on_change` is called without arguments whenever `running`, `ready`, `backing_off`, `restarts` or
    `last_end` may have changed.
    """

    def __init__(
        self, supervised: Supervised, processes: ProcessSupervisor, on_change: Callable[[], None]
    ) -> None:
        self.container = supervised.container
        self.process: Process | None = None
        self.restarts = 0
        self.backing_off = False
        self.last_end: End | None = None
        self.completed = False
        """Whether it has succeeded, and is not started again."""
        self.failed = False
        """Whether it has failed too often, and is not started again."""
        self._supervised = supervised
        self._processes = processes
        self._on_change = on_change
        self._target = Target(self._real_port, self._execute)
        self._prober: Prober | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.process is not None

    @property
    def started(self) -> bool:
        """Whether it runs and has passed its startup probe."""
        return self._prober is not None and self._prober.started

    @property
    def ready(self) -> bool:
        """Whether it may receive requests."""
        return self._prober is not None and self._prober.ready

    @property
    def waiting_for(self) -> str | None:
        """What a running container that is not ready waits for, with the last answer of its probe."""
        return None if self._prober is None or self.ready else self._prober.waiting_for

    def start(self) -> None:
        """Starts to supervise; returns immediately."""
        self._task = start_task(self._keep_running(), f"supervising {self._supervised.command.name}")

    async def stop(self, grace_seconds: float) -> None:
        """Runs the preStop hook, then stops the container; both within `grace_seconds`."""
        deadline = time.monotonic() + grace_seconds
        await stop_tasks(self._task)
        if self.process is not None:
            await self._pre_stop(grace_seconds)
            await self.process.stop(max(0.0, deadline - time.monotonic()))
            self.process = None
        self.backing_off = False

    async def _keep_running(self) -> None:
        back_off = BackOff()
        while True:
            start = time.monotonic()
            self.last_end = await self._run_once()
            if self._is_done(self.last_end):
                self._on_change()
                return
            pause = back_off.pause_after(time.monotonic() - start)
            self.backing_off = True
            self._on_change()
            if not self.last_end.hopeless or self.restarts:  # else the start of the pod fails with the reason
                name = self._supervised.command.name
                _log.warning("%s: %s; restarting it in %g s", name, self.last_end.reason, pause)
            await asyncio.sleep(pause)
            self.backing_off = False
            self.restarts += 1

    def _is_done(self, end: End) -> bool:
        """Whether it is not started again."""
        retries = self._supervised.retries
        self.completed = retries is not None and end.exit_status == 0
        self.failed = retries is not None and not self.completed and self.restarts >= retries
        if self.failed:
            _log.warning("%s: %s; it is not started again", self._supervised.command.name, end.reason)
        return self.completed or self.failed

    async def _run_once(self) -> End:
        if (problem := self._impossible_probe()) is not None:
            return End(problem, hopeless=True)
        try:
            self.process = process = await self._processes.start(self._supervised.command)
        except StartError as error:
            hint = _ONLY_IN_IMAGE if error.not_found and self.container.command else ""
            return End(f"{error.reason}{hint}", hopeless=True)
        failure = await self._hook(self.container.post_start, _POST_START_SECONDS)
        if failure is not None:
            await process.stop(self._supervised.grace_seconds)
            self.process = None
            return End(f"its postStart hook failed: {failure}", await process.wait())
        self._prober = Prober(self.container, self._target, self._on_change)
        self._on_change()
        probing = asyncio.create_task(self._prober.run())
        ending = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({probing, ending}, return_when=asyncio.FIRST_COMPLETED)
            unhealthy = None if ending.done() else await self._end_unhealthy(process, probing)
            status = await ending
            lines = tuple(process.last_lines())
            if unhealthy is None:
                return End(exit_reason(status), status, lines)
            return End(unhealthy.reason, status, lines, hopeless=unhealthy.never_started)
        finally:
            probing.cancel()
            ending.cancel()
            self._prober = None
            if process.ended:
                self.process = None

    def _impossible_probe(self) -> str | None:
        """Why a probe can never succeed: its program is not on the PATH, as for probes of a stub's image.

        A program with a folder in its name may still be created, for example in a volume.
        """
        path = self._supervised.command.environment.get("PATH")
        for name in ("startup", "readiness", "liveness"):
            probe: Probe | None = getattr(self.container, name)
            if probe is None or not isinstance(probe.action, Execute):
                continue
            program = probe.action.command[0]
            if os.sep not in program and not shutil.which(program, path=path):
                return (
                    f'its {name} probe runs "{program}", which is not found on the PATH: remove the probe '
                    "for local runs, or use httpGet or tcpSocket"
                )
        return None

    async def _end_unhealthy(self, process: Process, probing: asyncio.Task[Unhealthy]) -> Unhealthy:
        unhealthy = probing.result()
        grace_seconds = unhealthy.probe.termination_grace_seconds
        if grace_seconds is None:
            grace_seconds = self._supervised.grace_seconds
        self._prober = None  # not ready from now on, however long it takes to stop
        self._on_change()
        await process.stop(grace_seconds)
        return unhealthy

    async def _pre_stop(self, limit_seconds: float) -> None:
        failure = await self._hook(self.container.pre_stop, limit_seconds)
        if failure is not None:
            _log.warning("%s: its preStop hook failed: %s", self._supervised.command.name, failure)

    async def _hook(self, action: Action | None, limit_seconds: float) -> str | None:
        """Runs a hook; why it failed, or None."""
        if action is None:
            return None
        async with probe_client(self._target) as client:
            return await client.failure(action, limit_seconds)

    def _real_port(self, declared: int) -> int:
        return self._supervised.rewriting.ports.get(declared, declared)

    async def _execute(self, words: tuple[str, ...], timeout_seconds: float) -> int | None:
        command = replace(
            self._supervised.command,
            name=f"{self._supervised.command.name} (its probe or hook)",
            arguments=tuple(map(self._supervised.rewriting.word, words)),
            log_file=Path(os.devnull),  # Kubernetes does not keep the output of probes either
        )
        return await self._processes.run(command, timeout_seconds)
