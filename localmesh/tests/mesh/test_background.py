"""What runs beside a mesh reports its failures when they happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from localmesh.errors import LocalmeshError
from localmesh.runtime.background import attempt, start_task, stop_tasks
from localmesh.runtime.mesh import Mesh, MeshSettings


class EmptyRuntime:
    """A runtime that runs nothing; `changed` reports a change of readiness."""

    addresses: Any = None
    owner_environment: Mapping[str, str] = {}
    changed: Callable[[], None]

    async def open(self, _ads: object, on_change: Callable[[], None]) -> None:
        self.changed = on_change

    async def close(self) -> None:
        pass


def test_a_task_that_fails_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """With its name and the traceback; nothing awaits the task before the mesh ends."""

    async def fail() -> None:
        raise KeyError("bug")

    async def run() -> None:
        task = start_task(fail(), "following pods")
        await asyncio.wait({task})
        await stop_tasks(task, None)

    asyncio.run(run())

    assert caplog.messages == ["following pods has stopped"]
    assert "KeyError: 'bug'" in caplog.text


def test_a_cancelled_task_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        await stop_tasks(start_task(asyncio.sleep(60), "sleeping"))

    asyncio.run(run())

    assert caplog.messages == []


@pytest.mark.parametrize(
    ("error", "message", "has_traceback"),
    [
        (LocalmeshError("no answer"), "updating failed: no answer", False),
        (KeyError("bug"), "updating failed", True),
    ],
)
def test_a_failed_attempt_is_logged(
    error: Exception, message: str, has_traceback: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """An expected failure in one line, a bug with its traceback; the loop goes on either way."""

    async def fail() -> None:
        raise error

    asyncio.run(attempt(fail, "updating"))

    assert caplog.messages == [message]
    assert ("Traceback" in caplog.text) is has_traceback


def test_a_loop_of_the_mesh_says_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug while endpoints are updated is logged, and the loop handles the next change."""
    failures = asyncio.Queue[None]()

    async def fail(_mesh: Mesh, _wanted: object) -> None:
        failures.put_nowait(None)
        raise KeyError("bug")

    monkeypatch.setattr(Mesh, "_roll_out", fail)
    runtime = EmptyRuntime()

    async def run() -> None:
        async with Mesh(MeshSettings(tmp_path, tmp_path), runtime):  # type: ignore[arg-type]
            for _ in range(2):
                runtime.changed()
                await failures.get()

    asyncio.run(run())

    assert caplog.messages == ["updating endpoints failed"] * 2
    assert "KeyError: 'bug'" in caplog.text
