"""One operating-system process, which is stopped together with its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from localmesh.errors import LocalmeshError

_STRAGGLER_SECONDS = 1.0
_KILLED_SECONDS = 1.0
_POLL_SECONDS = 0.01
_TAIL_BYTES = 64 * 1024


class StartError(LocalmeshError):
    """A command could not be executed."""

    def __init__(self, command: Command, reason: str, *, not_found: bool = False) -> None:
        self.command = command
        self.reason = reason
        self.not_found = not_found
        super().__init__(f"{command.name} cannot be started: {reason}")


@dataclass(frozen=True, slots=True)
class Command:
    """What to run; `name` is for messages, `environment` is the whole environment.

    The process appends its output to `log_file` itself; it does not pass through localmesh.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    working_directory: Path
    log_file: Path


class Process:
    """A running process that leads its own process group.

    When it ends by itself, the rest of its group is killed, as a container ends with its first process.
    """

    def __init__(
        self, command: Command, child: asyncio.subprocess.Process, on_end: Callable[[Process], None]
    ) -> None:
        self.command = command
        self.started_at = time.monotonic()
        self.log_offset = 0
        """The offset of its output in the log file."""
        self._child = child
        self._stopping = False
        self._on_end = on_end
        self._end = asyncio.create_task(self._watch())

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's id."""
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._child.returncode

    @property
    def ended(self) -> bool:
        """Whether it and all of its group have ended."""
        return self._end.done()

    async def wait(self) -> int:
        """Returns the exit status when the process and all of its group have ended."""
        return await asyncio.shield(self._end)

    async def stop(self, grace_seconds: float) -> int:
        """Sends SIGTERM to the group and, after `grace_seconds`, SIGKILL; returns the exit status.

        Children that outlive the process get at most one second of that time.
        """
        self._stopping = True
        self._signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(asyncio.shield(self._end), grace_seconds)
        except TimeoutError:
            self._stopping = False
            self._signal(signal.SIGKILL)
            return await self.wait()

    def last_lines(self, count: int = 15) -> list[str]:
        """The last lines of its output."""
        return last_lines(self.command.log_file, count, self.log_offset)

    async def _watch(self) -> int:
        status = await self._child.wait()
        if self._stopping:
            await self._group_end(_STRAGGLER_SECONDS)
        _signal_group(self.pid, signal.SIGKILL)
        await self._group_end(_KILLED_SECONDS)  # the ports of a killed child are released a moment later
        self._on_end(self)
        return status

    async def _group_end(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while group_lives(self.pid) and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if not self._end.done():  # afterwards another process may have the number
            _signal_group(self.pid, number)


async def start(command: Command, on_end: Callable[[Process], None], *, begin_log: bool = False) -> Process:
    """Starts a process; `on_end` is called when it and its group have ended. Raises StartError.

    `begin_log` truncates the log file.
    """
    command.log_file.parent.mkdir(parents=True, exist_ok=True)
    begin = os.O_TRUNC if begin_log else 0
    log = os.open(command.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | begin, 0o644)
    try:
        log_offset = os.fstat(log).st_size
        # No preexec_fn: it would use fork instead of vfork and run Python between fork and exec, which
        # may deadlock with gRPC's threads. The watchdog does what PR_SET_PDEATHSIG would do.
        child = await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=command.working_directory,
            env=command.environment,
            **_own_group(),
        )
    except OSError as error:
        not_found = isinstance(error, FileNotFoundError) and command.working_directory.is_dir()
        raise StartError(command, _reason(command, error), not_found=not_found) from None
    finally:
        os.close(log)
    process = Process(command, child, on_end)
    process.log_offset = log_offset
    return process


def _own_group() -> dict[str, Any]:
    """What makes a process the leader of its own process group.

    It has its own session, too, unless localmesh runs with a lower priority (`nice`): Linux gives every
    session the same share of the processors, whatever the niceness in it (sched(7), autogroup).
    """
    return {"process_group": 0} if os.nice(0) > 0 else {"start_new_session": True}


def last_lines(file: Path, count: int = 15, offset: int = 0) -> list[str]:
    """The last `count` lines of `file` after the byte `offset`; none if there is no file."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(offset, size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]


def exit_reason(status: int) -> str:
    """How a process ended: `exited with status 1`, `was ended by SIGKILL`."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def group_lives(group: int) -> bool:
    """Whether a process group has a member that is not a zombie."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
        return False
    return any(_is_member(pid, group) for pid in psutil.pids())


def _is_member(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, PermissionError, psutil.Error):
        return False


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _reason(command: Command, error: OSError) -> str:
    if not command.working_directory.is_dir():
        return f"its working directory {command.working_directory} does not exist"
    if isinstance(error, FileNotFoundError):
        where = "" if os.sep in command.arguments[0] else " on the PATH"
        return f'"{command.arguments[0]}" is not found{where}'
    return f"{command.arguments[0]}: {error.strerror}"
