"""Nothing outlives a mesh."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from localmesh.runtime.processes.process_supervisor import ProcessSupervisor, StateFolderInUseError

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
Until = Callable[..., Awaitable[None]]

TREE = "sleep 1001 & (sleep 1002; true) & wait"
DAEMON = "setsid sleep 1003 & wait"
STUBBORN = "trap '' TERM; while :; do sleep 0.05; done"
GUNICORN = "exec gunicorn --bind 127.0.0.1:0 --workers 2 wsgiref.simple_server:demo_app"


class LonelyMesh:
    """A mesh in its own process, to be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self, *commands: str) -> None:
        script = Path(__file__).with_name("lonely_mesh.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.folder), *commands],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def watchdog(self) -> psutil.Process:
        (process,) = [
            child for child in psutil.Process(self.pid).children() if "watchdog.py" in child.cmdline()
        ]
        return process

    def members(self) -> list[psutil.Process]:
        """All that it has started, wherever it is, but for the watchdog."""
        token = json.loads((self.folder / "processes/owner").read_text())["token"]
        return [process for process in psutil.process_iter() if _carries(process, token)]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process is not None:
            self.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()


def _carries(process: psutil.Process, token: str) -> bool:
    try:
        return process.environ().get("LOCALMESH_RUN") == token
    except psutil.Error:
        return False


def _survivors(members: list[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Those that still run after the timeout; zombies, which only wait to be noticed, do not count."""
    deadline = time.monotonic() + timeout_seconds
    while members and time.monotonic() < deadline:
        members = [
            process
            for process in members
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]
        time.sleep(0.01)
    return members


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[LonelyMesh]:
    mesh = LonelyMesh(tmp_path)
    yield mesh
    mesh.close()


async def _count_of_members(mesh: LonelyMesh, wanted: int, until: Until) -> list[psutil.Process]:
    await until(lambda: len(mesh.members()) >= wanted, f"{wanted} processes run", 10)
    return mesh.members()


by_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="daemons are found through /proc")


@by_proc
class TestWhenLocalmeshIsKilled:
    def test_whole_trees_end_within_two_seconds(self, lonely: LonelyMesh, until: Until) -> None:
        """Children, gunicorn's workers, daemons in sessions of their own, and what ignores SIGTERM."""
        lonely.start(TREE, DAEMON, STUBBORN, GUNICORN)
        members = asyncio.run(_count_of_members(lonely, 11, until))
        watchdog = lonely.watchdog

        lonely.kill()

        assert _survivors([*members, watchdog], 2) == []

    def test_killing_its_group_or_all_that_are_named_so_is_no_different(
        self, lonely: LonelyMesh, until: Until
    ) -> None:
        """The watchdog is in another session, and its command line does not say localmesh."""
        lonely.start(TREE)
        members = asyncio.run(_count_of_members(lonely, 4, until))
        words = lonely.watchdog.cmdline()[1:]

        os.killpg(lonely.pid, signal.SIGKILL)

        assert _survivors(members, 2) == []
        assert not any("localmesh" in word for word in words)

    def test_what_its_watchdog_could_not_end_the_next_start_does(
        self, lonely: LonelyMesh, until: Until
    ) -> None:
        """Even when both are killed, leftovers end when the state folder is used again."""
        lonely.start(TREE, DAEMON)
        members = asyncio.run(_count_of_members(lonely, 6, until))
        os.kill(lonely.watchdog.pid, signal.SIGSTOP)
        watchdog = lonely.watchdog
        lonely.kill()
        watchdog.kill()
        assert len(_survivors(members, 0)) == len(members)

        asyncio.run(_open_and_close(lonely.folder))

        assert _survivors(members, 2) == []


async def _open_and_close(folder: Path) -> None:
    async with ProcessSupervisor(folder):
        pass


class TestLeftovers:
    def test_a_process_number_that_belongs_to_another_now_is_spared(
        self, tmp_path: Path, innocent: Any
    ) -> None:
        """A record counts only together with the start time."""
        folder = tmp_path / "processes"
        folder.mkdir()
        (folder / "owner").write_text(json.dumps({"pid": 1, "token": "earlier"}))
        started = psutil.Process(innocent.pid).create_time() - 60
        record = folder / f"{innocent.pid}.json"
        record.write_text(json.dumps({"name": "x", "pid": innocent.pid, "started": started}))

        asyncio.run(_open_and_close(tmp_path))

        assert innocent.poll() is None
        assert not record.exists()

    def test_the_same_process_is_ended(self, tmp_path: Path, innocent: Any) -> None:
        """A record with the right start time is enough, also when the environment carries no mark."""
        folder = tmp_path / "processes"
        folder.mkdir()
        (folder / "owner").write_text(json.dumps({"pid": 1, "token": "earlier"}))
        started = psutil.Process(innocent.pid).create_time()
        (folder / f"{innocent.pid}.json").write_text(json.dumps({"pid": innocent.pid, "started": started}))

        asyncio.run(_open_and_close(tmp_path))

        assert innocent.wait(2) == -signal.SIGTERM

    @pytest.mark.parametrize("text", ["", "{", '{"pid": "x"}', "[]"])
    def test_records_cut_short_say_nothing(self, tmp_path: Path, text: str) -> None:
        """A kill in the middle of writing does not keep the next mesh from starting."""
        folder = tmp_path / "processes"
        folder.mkdir()
        (folder / "owner").write_text(text)
        (folder / "17.json").write_text(text)

        asyncio.run(_open_and_close(tmp_path))

        assert list(folder.glob("*.json")) == []


class TestTable:
    def test_a_state_folder_has_one_mesh(self, tmp_path: Path) -> None:
        """A second mesh with the same folder is refused with the id of the process that uses it."""

        async def scenario() -> None:
            async with ProcessSupervisor(tmp_path):
                with pytest.raises(StateFolderInUseError, match=f"in use by process {os.getpid()}"):
                    await ProcessSupervisor(tmp_path).open()

        asyncio.run(scenario())

    @by_proc
    def test_closing_ends_daemons_too(self, run_on_bench: Run, tmp_path: Path, until: Until) -> None:
        """What has left its process group is found by its mark."""
        members: list[psutil.Process] = []

        async def scenario(bench: Any) -> None:
            await bench.processes.start(bench.command("sh", "-c", "setsid sleep 1004 & echo $!; wait"))
            await until(
                lambda: bench.folder.joinpath("test.log").read_text().endswith("\n"), "it has started"
            )
            members.append(psutil.Process(int(bench.folder.joinpath("test.log").read_text())))

        run_on_bench(scenario)

        assert _survivors(members, 0.1) == []

    def test_a_killed_watchdog_is_replaced(self, run_on_bench: Run, until: Until) -> None:
        """A mesh always has one."""
        others = set(psutil.Process().children())  # a mesh of other tests may run in this process

        def is_watchdog(process: psutil.Process) -> bool:
            try:
                return process.status() != "zombie" and "watchdog.py" in process.cmdline()
            except psutil.NoSuchProcess:  # it has just ended
                return False

        def watchdogs() -> list[psutil.Process]:
            return [child for child in set(psutil.Process().children()) - others if is_watchdog(child)]

        async def scenario(bench: Any) -> None:
            await until(watchdogs, "the watchdog runs")
            (first,) = watchdogs()
            first.kill()

            await until(lambda: set(watchdogs()) - {first}, "another watchdog runs")
            assert len(watchdogs()) == 1

        run_on_bench(scenario)

    def test_commands_beside_a_process_end_in_time(self, run_on_bench: Run) -> None:
        """The exit status, or None when the time was up."""

        async def scenario(bench: Any) -> None:
            assert await bench.processes.run(bench.command("sh", "-c", "exit 5"), 5) == 5
            assert await bench.processes.run(bench.command("sleep", "60"), 0.1) is None
            assert bench.processes.running == ()

        run_on_bench(scenario)
