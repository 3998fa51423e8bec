"""A pod: the containers of one replica, as processes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import psutil

from localmesh.catalog import LOOPBACK
from localmesh.catalog.container import Container
from localmesh.errors import InvalidRequestError, LocalmeshError
from localmesh.problems.fields import listed
from localmesh.runtime.processes.process import Command, StartError, exit_reason
from localmesh.runtime.processes.process_supervisor import ProcessSupervisor
from localmesh.runtime.workloads.container_supervisor import ContainerSupervisor, End, Supervised
from localmesh.runtime.workloads.environment import Launch, launch
from localmesh.runtime.workloads.facts import PodFacts, make_folders, remove_folders
from localmesh.runtime.workloads.ports import is_free

REPORT_AFTER_SECONDS = 5.0
"""A pod that is not ready after that time says what it waits for."""

INIT_SECONDS = 60.0
"""The time that an init container has: a pod that is not ready after that time ends the start as well."""

_log = logging.getLogger(__name__)


class PodState(StrEnum):
    """The state of a pod, in the words of `kubectl get pods`."""

    PENDING = "Pending"
    RUNNING = "Running"
    READY = "Ready"
    CRASH_LOOP = "CrashLoopBackOff"
    COMPLETED = "Completed"
    FAILED = "Error"
    TERMINATING = "Terminating"
    STOPPED = "Stopped"


class PodFailedError(LocalmeshError):
    """A pod did not become ready; the message has the reason and the end of its log."""

    def __init__(self, pod: str, reason: str, log_file: Path, last_lines: tuple[str, ...] = ()) -> None:
        self.pod = pod
        self.reason = reason
        self.log_file = log_file
        self.last_lines = last_lines
        log = f"; the end of {log_file}:" if last_lines else f"; its log is {log_file}"
        super().__init__("\n  ".join((f"pod {pod} {reason}{log}", *last_lines)))


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """The status of one container; `last_end` says how its previous run ended."""

    name: str
    running: bool
    started: bool
    ready: bool
    restarts: int
    pid: int | None
    last_end: End | None


class Pod:
    """One running replica.

    `on_change(pod)` is called on the event loop whenever the state or the number of restarts has changed,
    also before `stop` stops any process, so that endpoints can be removed first.
    """

    def __init__(
        self,
        facts: PodFacts,
        processes: ProcessSupervisor,
        log_folder: Path,
        on_change: Callable[[Pod], None],
    ) -> None:
        self.facts = replace(facts, capacity=facts.capacity or _capacity_of_machine())
        self._processes = processes
        self._log_folder = log_folder
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._supervisors: tuple[ContainerSupervisor, ...] = ()
        self._started = False
        self._terminating = False
        self._stopped = False
        self._reported = (PodState.PENDING, 0)

    def __repr__(self) -> str:
        return f"<Pod {self.namespace}/{self.name} {self.state}>"

    @property
    def name(self) -> str:
        """The name: always the same for a template and ordinal."""
        return self.facts.name

    @property
    def namespace(self) -> str:
        """The namespace of the workload."""
        return self.facts.workload.namespace

    @property
    def host(self) -> str:
        """The address of its ports."""
        return LOOPBACK

    @property
    def log_file(self) -> Path:
        """The file to which all replicas of the workload append."""
        return self._log_folder / self.namespace / f"{self.facts.workload.name}.log"

    @property
    def ready(self) -> bool:
        """Whether the pod may receive requests."""
        return self.state is PodState.READY

    @property
    def done(self) -> bool:
        """Whether the pod of a Job has ended, with success or without."""
        return self.state in (PodState.COMPLETED, PodState.FAILED)

    @property
    def restarts(self) -> int:
        """How often its containers have been restarted."""
        return sum(supervisor.restarts for supervisor in self._supervisors)

    @property
    def state(self) -> PodState:
        """The current state."""
        if self._stopped:
            return PodState.STOPPED
        if self._terminating:
            return PodState.TERMINATING
        return self._state_of_containers()

    def _state_of_containers(self) -> PodState:
        supervisors = self._supervisors
        if any(supervisor.backing_off for supervisor in supervisors):
            return PodState.CRASH_LOOP
        if any(supervisor.failed for supervisor in supervisors):
            return PodState.FAILED
        if self._started and all(supervisor.completed for supervisor in supervisors):
            return PodState.COMPLETED
        current = [supervisor for supervisor in supervisors if not supervisor.completed]
        if not current or not all(supervisor.running for supervisor in current):
            return PodState.PENDING
        return PodState.READY if all(supervisor.ready for supervisor in current) else PodState.RUNNING

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """The status of each container."""
        return tuple(
            ContainerStatus(
                name=supervisor.container.name,
                running=supervisor.running,
                started=supervisor.started,
                ready=supervisor.ready,
                restarts=supervisor.restarts,
                pid=supervisor.process.pid if supervisor.process is not None else None,
                last_end=supervisor.last_end,
            )
            for supervisor in self._supervisors
        )

    def launch(self, container: str, command: Sequence[str]) -> Launch:
        """How to run a further command as in a container, "" for the first.

        Raises InvalidRequestError if there is no such container, ManifestError for missing configuration.
        """
        containers = self.facts.workload.containers
        chosen = [one for one in containers if container in ("", one.name)]
        if not chosen:
            names = listed(one.name for one in containers)
            raise InvalidRequestError(f'pod {self.name} has no container "{container}"; it has {names}')
        launched = launch(self.facts, chosen[0], os.environ)
        return replace(launched, arguments=tuple(map(launched.rewriting.word, command)))

    async def start(self) -> None:
        """Creates the pod's folders, runs its init containers and starts the others; these are not ready yet.

        Raises ManifestError for missing configuration, PodFailedError if another program listens on one of
        its ports, or an init container fails.
        """
        workload = self.facts.workload
        launches = [
            (container, launch(self.facts, container, os.environ)) for container in workload.containers
        ]
        before = [
            (container, launch(self.facts, container, os.environ))
            for container in workload.init_containers
            if container.command
        ]
        self._require_free_ports()
        make_folders(self.facts)
        for container, launched in before:
            await self._initialize(container, launched)
        self._supervisors = tuple(
            ContainerSupervisor(
                Supervised(
                    container=container,
                    command=self._command(container, launched),
                    rewriting=launched.rewriting,
                    grace_seconds=workload.termination_grace_seconds,
                    retries=workload.retries,
                ),
                self._processes,
                self._notify,
            )
            for container, launched in launches
            if container.command or not workload.runs_once  # a stub would never end
        )
        self._started = True
        for supervisor in self._supervisors:
            supervisor.start()

    def _command(self, container: Container, launched: Launch) -> Command:
        return Command(
            name=f"container {container.name} of pod {self.namespace}/{self.name}",
            arguments=launched.arguments,
            environment=launched.environment,
            working_directory=launched.working_directory,
            log_file=self.log_file,
        )

    async def _initialize(self, container: Container, launched: Launch) -> None:
        """Runs an init container to its end. Raises PodFailedError if it fails or takes too long."""
        reason = f"cannot start: init container {container.name}"
        try:
            process = await self._processes.start(self._command(container, launched))
        except StartError as error:
            raise self._failed(f"{reason}: {error.reason}") from None
        try:
            status = await asyncio.wait_for(process.wait(), INIT_SECONDS)
        except TimeoutError:
            raise self._failed(f"{reason} has not ended after {INIT_SECONDS:g} s") from None
        finally:
            await process.stop(0)
        if status:
            raise self._failed(f"{reason}: {exit_reason(status)}", tuple(process.last_lines()))

    async def until_ready(self, timeout_seconds: float, tolerated_restarts: int = 2) -> None:
        """Returns when the pod is ready. Raises PodFailedError if it is not in time, or ends too often.

        A few restarts are tolerated because programs may wait for others in this way; a command that cannot
        be executed is not tried twice. After a few seconds the log says what the pod waits for.
        """
        loop = asyncio.get_running_loop()
        report = loop.call_later(REPORT_AFTER_SECONDS, self._report_waiting, timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds):
                while not (self.ready or self.done):
                    retries = self.facts.workload.retries
                    self._raise_if_hopeless(tolerated_restarts if retries is None else retries)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise self._late(timeout_seconds) from None
        finally:
            report.cancel()

    def leave(self) -> None:
        """Marks the pod as terminating: it gets no new requests but completes those in progress."""
        if not self._terminating:
            self._terminating = True
            self._notify()

    async def stop(self, grace_seconds: float | None = None) -> None:
        """Stops all containers within the grace period (None: the manifest's) and removes its files."""
        self.leave()
        if grace_seconds is None:
            grace_seconds = self.facts.workload.termination_grace_seconds
        await asyncio.gather(*(supervisor.stop(grace_seconds) for supervisor in self._supervisors))
        await asyncio.to_thread(remove_folders, self.facts)
        self._stopped = True
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        if (current := (self.state, self.restarts)) != self._reported:
            self._reported = current
            self._on_change(self)

    def _require_free_ports(self) -> None:
        for declared, real in self.facts.ports.items():
            if not is_free(real):
                reason = (
                    f"cannot start: port {real} on {LOOPBACK}, allocated for its port {declared}, is in use"
                )
                raise self._failed(f"{reason} by another program")

    def _raise_if_hopeless(self, tolerated_restarts: int) -> None:
        if self._terminating:
            raise self._failed("was stopped before it was ready")
        for supervisor in self._supervisors:
            end = supervisor.last_end
            if end is None or not supervisor.backing_off:
                continue
            if end.hopeless or supervisor.restarts >= tolerated_restarts:
                times = f" ({supervisor.restarts + 1} times)" if supervisor.restarts else ""
                raise self._failed(
                    f"is not ready: container {supervisor.container.name}: {end.reason}{times}",
                    end.last_lines,
                )

    def _late(self, timeout_seconds: float) -> PodFailedError:
        waiting = next((supervisor for supervisor in self._supervisors if not supervisor.ready), None)
        reason = f"is not ready after {timeout_seconds:g} s"
        if waiting is None:
            return self._failed(reason)
        if waiting.process is None:
            lines = waiting.last_end.last_lines if waiting.last_end else ()
            return self._failed(f"{reason}: container {waiting.container.name} does not run", lines)
        details = f"container {waiting.container.name}: {waiting.waiting_for}"
        return self._failed(f"{reason}: {details}", tuple(waiting.process.last_lines()))

    def _report_waiting(self, timeout_seconds: float) -> None:
        """Logs which containers are not ready, and why, before the time is up."""
        for supervisor in self._supervisors:
            if supervisor.waiting_for is not None:
                name = f"pod {self.namespace}/{self.name}, container {supervisor.container.name}"
                _log.warning("%s: waiting for %s (up to %g s)", name, supervisor.waiting_for, timeout_seconds)

    def _failed(self, reason: str, last_lines: tuple[str, ...] = ()) -> PodFailedError:
        return PodFailedError(f"{self.namespace}/{self.name}", reason, self.log_file, last_lines)


def _capacity_of_machine() -> dict[str, str]:
    return {"cpu": str(os.cpu_count() or 1), "memory": str(psutil.virtual_memory().total)}
