"""A start that takes long shows how far it has come."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from localmesh.cli.foreground import progress


def test_progress_counts_configured_envoys_and_ready_pods(capfd: pytest.CaptureFixture[str]) -> None:
    """A line after each pause, on standard error, until the block is left."""
    mesh: Any = SimpleNamespace(
        desired_state=SimpleNamespace(proxies=["one", "two", "three"]),
        synced=lambda proxy: proxy != "three",
        pods={1: SimpleNamespace(ready=True), 2: SimpleNamespace(ready=False)},
    )

    async def start() -> None:
        lines = ""
        async with progress(mesh, pause_seconds=0.01), asyncio.timeout(10):
            while lines.count("\n") < 2:
                await asyncio.sleep(0.01)
                lines += capfd.readouterr().err
        assert set(lines.splitlines()) == {
            "localmesh: 2 of 3 Envoys are configured, 1 of 2 pods are ready after 0 s"
        }
        await asyncio.sleep(0.05)
        assert capfd.readouterr() == ("", "")

    asyncio.run(start())


def test_a_mesh_that_is_being_stopped_has_no_progress(capfd: pytest.CaptureFixture[str]) -> None:
    """After a start that failed there are no Envoys to count, however long it takes to stop the others."""
    mesh: Any = SimpleNamespace(desired_state=SimpleNamespace(proxies=[]), pods={})

    async def stop() -> None:
        async with progress(mesh, pause_seconds=0.01):
            await asyncio.sleep(0.05)

    asyncio.run(stop())

    assert capfd.readouterr() == ("", "")
