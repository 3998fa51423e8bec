"""Single processes: start, end, stop, log."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from localmesh.runtime.processes.process import StartError, exit_reason, group_lives, last_lines

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
Until = Callable[..., Awaitable[None]]

IGNORES_SIGTERM = "trap '' TERM; echo up; while :; do sleep 0.05; done"


class TestStart:
    def test_output_goes_to_the_log_behind_what_is_there(self, run_on_bench: Run) -> None:
        """Both streams are appended; the process knows which part is its own; other meshes' lines go."""

        async def scenario(bench: Any) -> None:
            (bench.folder / "test.log").write_text("of another mesh\n")
            await (await bench.processes.start(bench.command("echo", "earlier"))).wait()

            process = await bench.processes.start(bench.command("sh", "-c", "echo out; echo err >&2; exit 3"))
            status = await process.wait()

            assert status == 3
            assert process.last_lines() == ["out", "err"]
            assert last_lines(bench.folder / "test.log") == ["earlier", "out", "err"]

        run_on_bench(scenario)

    def test_it_gets_the_environment_given_and_a_mark(self, run_on_bench: Run) -> None:
        """Nothing of the caller's environment is inherited."""

        async def scenario(bench: Any) -> None:
            process = await bench.processes.start(bench.command("env", COLOUR="green"))
            await process.wait()

            names = [line.partition("=")[0] for line in process.last_lines()]
            assert sorted(names) == ["COLOUR", "LOCALMESH_RUN", "PATH"]

        run_on_bench(scenario)

    @pytest.mark.parametrize(("niceness", "own_session"), [(0, True), (10, False)])
    def test_a_lower_priority_counts_for_what_is_started(
        self, run_on_bench: Run, monkeypatch: pytest.MonkeyPatch, niceness: int, own_session: bool
    ) -> None:
        """It stays in the session of localmesh then: Linux ignores the niceness of another session."""
        monkeypatch.setattr(os, "nice", lambda _: niceness)

        async def scenario(bench: Any) -> None:
            process = await bench.processes.start(bench.command("sleep", "60"))

            assert os.getpgid(process.pid) == process.pid
            assert (os.getsid(process.pid) == process.pid) is own_session

        run_on_bench(scenario)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"arguments": ("no-such-program",)}, '"no-such-program" is not found on the PATH'),
            ({"arguments": ("/no/such/program",)}, '"/no/such/program" is not found$'),
            ({"arguments": ("/etc",)}, "/etc: Permission denied"),
            ({"working_directory": Path("/no/such")}, "its working directory /no/such does not exist"),
        ],
    )
    def test_a_command_that_cannot_run_says_why(
        self, run_on_bench: Run, change: dict[str, Any], message: str
    ) -> None:
        """What is missing is named."""

        async def scenario(bench: Any) -> None:
            with pytest.raises(StartError, match=message):
                await bench.processes.start(replace(bench.command("true"), **change))

            assert bench.processes.running == ()

        run_on_bench(scenario)


class TestEnd:
    def test_children_do_not_outlive_a_process(self, run_on_bench: Run) -> None:
        """When a container's first process ends, the rest of it does."""

        async def scenario(bench: Any) -> None:
            process = await bench.processes.start(bench.command("sh", "-c", "sleep 60 & sleep 60 & exit 0"))

            assert await process.wait() == 0
            assert process.ended
            assert not group_lives(process.pid)

        run_on_bench(scenario)

    @pytest.mark.parametrize(
        ("status", "words"),
        [(1, "exited with status 1"), (-9, "was ended by SIGKILL"), (-250, "was ended by signal 250")],
    )
    def test_ends_are_told_in_words(self, status: int, words: str) -> None:
        """A status, or the signal that ended the process."""
        assert exit_reason(status) == words


class TestStop:
    def test_the_whole_group_is_asked_first(self, run_on_bench: Run, until: Until) -> None:
        """A child can end in its own way, also after its parent."""

        async def scenario(bench: Any) -> None:
            script = "(trap 'sleep 0.2; echo child; exit' TERM; echo up; while :; do sleep 0.02; done) & wait"
            process = await bench.processes.start(bench.command("sh", "-c", script))
            await until(lambda: process.last_lines() == ["up"], "the child is up")

            status = await process.stop(5)

            assert status == -signal.SIGTERM
            assert process.last_lines()[-1] == "child"

        run_on_bench(scenario)

    def test_what_ignores_it_is_killed_after_the_grace_period(self, run_on_bench: Run, until: Until) -> None:
        """SIGKILL comes when the time is up, not before."""

        async def scenario(bench: Any) -> None:
            process = await bench.processes.start(bench.command("sh", "-c", IGNORES_SIGTERM))
            await until(lambda: process.last_lines() == ["up"], "the trap is set")
            begin = time.monotonic()

            status = await process.stop(0.3)

            assert status == -signal.SIGKILL
            assert 0.3 <= time.monotonic() - begin < 2
            assert not group_lives(process.pid)

        run_on_bench(scenario)

    def test_a_child_that_ignores_it_does_not_hold_things_up(self, run_on_bench: Run, until: Until) -> None:
        """Children that outlive their parent get a second, whatever the grace period."""

        async def scenario(bench: Any) -> None:
            script = f"sh -c '{IGNORES_SIGTERM.replace(chr(39), chr(34))}' & wait"
            process = await bench.processes.start(bench.command("sh", "-c", script))
            await until(lambda: process.last_lines() == ["up"], "the trap is set")
            begin = time.monotonic()

            await process.stop(30)

            assert time.monotonic() - begin < 3
            assert not group_lives(process.pid)

        run_on_bench(scenario)

    def test_stopping_twice_or_after_the_end_is_harmless(self, run_on_bench: Run, innocent: Any) -> None:
        """The status stays, and no other process is signalled."""

        async def scenario(bench: Any) -> None:
            process = await bench.processes.start(bench.command("sh", "-c", "exit 4"))

            assert [await process.wait(), await process.stop(1), await process.stop(1)] == [4, 4, 4]
            assert psutil.Process(innocent.pid).is_running()

        run_on_bench(scenario)


class TestLastLines:
    def test_only_the_end_of_a_long_log_is_read(self, tmp_path: Path) -> None:
        """The last lines, also of a file much longer than they are."""
        log = tmp_path / "long.log"
        log.write_text("".join(f"line {number}\n" for number in range(50_000)))

        assert last_lines(log, 2) == ["line 49998", "line 49999"]

    def test_a_missing_log_has_no_lines(self, tmp_path: Path) -> None:
        """A missing file is not an error."""
        assert last_lines(tmp_path / "none.log") == []
