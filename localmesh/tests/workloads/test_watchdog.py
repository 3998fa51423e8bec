"""The watchdog, without a mesh."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesh.runtime.processes import watchdog

TOKEN = "a-token-that-no-other-process-has"


@pytest.fixture
def groups() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes that lead groups of their own; none carries the token."""
    processes = [subprocess.Popen(["sleep", "60"], start_new_session=True) for _ in range(3)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def watch(text: str) -> None:
    """Run the watchdog to its end with these lines."""
    arguments = [sys.executable, "-I", "-S", watchdog.__file__, TOKEN]
    subprocess.run(arguments, input=text.encode(), check=True, timeout=10)


def test_groups_that_have_not_ended_are_ended(groups: list[subprocess.Popen[bytes]]) -> None:
    """Those that were added and not removed."""
    first, second, third = groups

    watch(f"+{first.pid}\n+{second.pid}\n-{second.pid}\n")

    assert first.wait(1) == -15
    assert (second.poll(), third.poll()) == (None, None)


def test_a_line_cut_short_is_not_believed(groups: list[subprocess.Popen[bytes]]) -> None:
    """The end of localmesh may cut off a number, which is then that of another group."""
    first, second, _third = groups

    watch(f"+{first.pid}\n+{second.pid}")

    assert first.wait(1) == -15
    assert second.poll() is None


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="environments are read from /proc")
def test_processes_with_the_token_are_ended(innocent: Any) -> None:
    """Also outside all groups; a token that only begins alike does not count."""
    marked, similar = (
        subprocess.Popen(
            ["sleep", "60"], env={**os.environ, watchdog.VARIABLE: token}, start_new_session=True
        )
        for token in (TOKEN, TOKEN + "2")
    )
    try:
        watch("")

        assert marked.wait(1) == -15
        assert (similar.poll(), innocent.poll()) == (None, None)
    finally:
        for process in (marked, similar):
            process.kill()
            process.wait()


@pytest.mark.skipif(shutil.which("/bin/ps") is None, reason="there is no ps here")
def test_without_proc_groups_are_found_by_ps(innocent: Any) -> None:
    """As on macOS."""
    assert watchdog._members_by_ps({innocent.pid}) == {innocent.pid}
