"""All processes of one mesh; none outlives the mesh, even if it is killed."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Self

import psutil

from localmesh.errors import LocalmeshError
from localmesh.runtime.background import start_task, stop_tasks
from localmesh.runtime.processes import process, watchdog
from localmesh.runtime.processes.process import Command, Process

_START_TIME_TOLERANCE_SECONDS = 2.0  # the clock may have been set meanwhile, which moves start times
_WATCHDOG_PAUSE_SECONDS = 0.1
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # some Pythons do not start without them


class StateFolderInUseError(LocalmeshError):
    """Another running mesh uses the same state folder."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        self.folder = folder
        self.pid = pid
        owner = f"by process {pid}" if pid else "by another process"
        super().__init__(f"{folder} is in use {owner}; stop that mesh first, or use another state folder")


class ProcessSupervisor:
    """Starts processes and makes sure that they end; an asynchronous context manager.

    Opening it ends processes that an earlier mesh left behind in the state folder; closing it stops all
    processes. If localmesh is killed, its watchdog ends them at once.
    """

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder / "processes"
        self._token = uuid.uuid4().hex
        self._running: dict[int, Process] = {}
        self._logs: set[Path] = set()
        self._owner_file: IO[str] | None = None
        self._watchdog: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    @property
    def running(self) -> tuple[Process, ...]:
        """The processes that have not ended."""
        return tuple(self._running.values())

    @property
    def owner_environment(self) -> dict[str, str]:
        """Environment that marks a process as part of this mesh, so that it ends with it in any case."""
        return {watchdog.VARIABLE: self._token}

    async def open(self) -> None:
        """Locks the state folder and cleans it up. Raises StateFolderInUseError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._owner_file, earlier = _take(self._folder)
        await self._end_leftovers(earlier.get("token"))
        self._owner_file.truncate(0)
        json.dump({"pid": os.getpid(), "token": self._token}, self._owner_file)
        self._owner_file.flush()
        self._watchdog = await _start_watchdog(self._token)
        self._keeper = start_task(self._keep_watchdog(), "replacing the watchdog")

    async def start(self, command: Command) -> Process:
        """Starts a process that ends at the latest with the mesh. Raises StartError."""
        environment = {**command.environment, **self.owner_environment}
        begin_log = self._is_of_an_earlier_mesh(command.log_file)
        whole = replace(command, environment=environment)
        started = await process.start(whole, self._forget, begin_log=begin_log)
        self._running[started.pid] = started
        self._notify_watchdog("+", started.pid)
        self._record(started)
        return started

    def _is_of_an_earlier_mesh(self, log_file: Path) -> bool:
        """Whether this mesh has not yet written to a log of the state folder."""
        if log_file in self._logs or not log_file.is_relative_to(self._folder.parent):
            return False
        self._logs.add(log_file)
        return True

    async def run(self, command: Command, timeout_seconds: float) -> int | None:
        """Runs a command and returns its exit status; None after a timeout."""
        started = await self.start(command)
        try:
            return await asyncio.wait_for(started.wait(), timeout_seconds)
        except TimeoutError:
            return None
        finally:
            await started.stop(0)

    async def close(self, grace_seconds: float = 2) -> None:
        """Stops all processes, and children that have left their groups."""
        await asyncio.gather(*(running.stop(grace_seconds) for running in self.running))
        await stop_tasks(self._keeper)
        if self._watchdog is not None:
            await _dismiss(self._watchdog)
        if self._owner_file is not None:
            self._owner_file.truncate(0)
            self._owner_file.close()
            self._owner_file = None

    def _record(self, started: Process) -> None:
        try:
            start_time = psutil.Process(started.pid).create_time()
        except psutil.NoSuchProcess:
            return  # it has already ended: nothing to clean up
        record = {"name": started.command.name, "pid": started.pid, "started": start_time}
        self._record_file(started.pid).write_text(json.dumps(record), encoding="utf-8")

    def _record_file(self, pid: int) -> Path:
        return self._folder / f"{pid}.json"

    def _forget(self, ended: Process) -> None:
        self._running.pop(ended.pid, None)
        self._notify_watchdog("-", ended.pid)
        self._record_file(ended.pid).unlink(missing_ok=True)

    def _notify_watchdog(self, action: str, group: int) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.write(f"{action}{group}\n".encode())

    async def _keep_watchdog(self) -> None:
        """Replaces a watchdog that was killed."""
        while self._watchdog is not None:
            await self._watchdog.wait()
            await asyncio.sleep(_WATCHDOG_PAUSE_SECONDS)
            self._watchdog = await _start_watchdog(self._token)
            for group in self._running:
                self._notify_watchdog("+", group)

    async def _end_leftovers(self, token: str | None) -> None:
        groups = [record["pid"] for record in self._records() if _is_same_process(record)]
        if token is not None:
            cleaner = await _start_watchdog(token)
            assert cleaner.stdin is not None  # noqa: S101 - for the type checker: it was asked for
            cleaner.stdin.writelines(f"+{group}\n".encode() for group in groups)
            await _dismiss(cleaner)
        for file in self._folder.glob("*.json"):
            file.unlink(missing_ok=True)

    def _records(self) -> Iterator[dict[str, Any]]:
        for file in self._folder.glob("*.json"):
            yield _record(file.read_text(encoding="utf-8"))


def _take(folder: Path) -> tuple[IO[str], dict[str, Any]]:
    """The locked owner file and its previous content; the lock ends with the process."""
    file = (folder / "owner").open("a+", encoding="utf-8")
    file.seek(0)
    earlier = _record(file.read())
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StateFolderInUseError(folder.parent, earlier.get("pid")) from None
    return file, earlier


def _record(text: str) -> dict[str, Any]:
    """The content of a record; empty if it was cut off by a kill."""
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _is_same_process(record: dict[str, Any]) -> bool:
    try:
        start_time = psutil.Process(record["pid"]).create_time()
        return abs(start_time - float(record["started"])) < _START_TIME_TOLERANCE_SECONDS
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


async def _start_watchdog(token: str) -> asyncio.subprocess.Process:
    # By its bare file name, so that its command line does not contain localmesh: `pkill -9 -f localmesh`
    # must not kill the process that cleans up afterwards.
    script = Path(watchdog.__file__)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", script.name, token),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=script.parent,
        env={name: os.environ[name] for name in _LIBRARY_PATHS if name in os.environ},
        start_new_session=True,
    )


async def _dismiss(watching: asyncio.subprocess.Process) -> None:
    """Lets a watchdog clean up and waits for its end."""
    if watching.stdin is not None:
        watching.stdin.close()
    await watching.wait()
