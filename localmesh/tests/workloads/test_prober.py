"""The probes of a container over its life, with commands as probes of a real process table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from localmesh.catalog.container import Container
from localmesh.catalog.probe import Execute, Probe
from localmesh.runtime.workloads.probe_client import Target
from localmesh.runtime.workloads.prober import Prober, Unhealthy

Until = Callable[..., Awaitable[None]]


class Health:
    """A container whose health the test decides: each command word is a switch."""

    def __init__(self, **switches: bool) -> None:
        self.switches = switches
        self.asked: list[str] = []

    async def execute(self, words: tuple[str, ...], _timeout: float) -> int:
        self.asked.append(words[0])
        return 0 if self.switches[words[0]] else 1

    def prober(self, changes: list[tuple[bool, bool]], **probes: Probe) -> Prober:
        def note() -> None:
            changes.append((prober.started, prober.ready))

        prober = Prober(Container("web", **probes), Target(int, self.execute), note)  # type: ignore[arg-type]
        return prober


def probe(switch: str, **settings: Any) -> Probe:
    return Probe(Execute((switch,)), **{"period_seconds": 0.05, "timeout_seconds": 1, **settings})


@pytest.fixture
def changes() -> list[tuple[bool, bool]]:
    """The reported changes, as (started, ready)."""
    return []


async def end(task: asyncio.Task[Unhealthy]) -> None:
    task.cancel()
    await asyncio.wait({task})


class TestStartup:
    def test_the_others_wait_for_it(self, changes: list[tuple[bool, bool]], until: Until) -> None:
        """Readiness and liveness are not asked before the startup probe has succeeded."""

        async def scenario() -> None:
            health = Health(up=False, ready=True, alive=True)
            prober = health.prober(
                changes,
                startup=probe("up", failure_threshold=100),
                readiness=probe("ready"),
                liveness=probe("alive"),
            )
            task = asyncio.create_task(prober.run())
            await until(lambda: health.asked.count("up") >= 3, "it was asked three times")
            assert set(health.asked) == {"up"}

            health.switches["up"] = True
            await until(lambda: prober.ready, "it is ready")
            await until(lambda: "alive" in health.asked, "liveness is asked")

            assert changes == [(True, False), (True, True)]
            await end(task)

        asyncio.run(scenario())

    def test_it_has_the_time_that_kubernetes_gives(self, changes: list[tuple[bool, bool]]) -> None:
        """However often it is asked: initial delay and all periods have to pass."""

        async def scenario() -> Unhealthy:
            startup = probe("up", period_seconds=0.2, failure_threshold=2, initial_delay_seconds=0.1)
            begin = time.monotonic()
            unhealthy = await Health(up=False).prober(changes, startup=startup).run()
            assert time.monotonic() - begin >= 0.5
            return unhealthy

        unhealthy = asyncio.run(scenario())

        assert unhealthy.never_started
        assert unhealthy.reason == "startup probe failed for 0.5 s: up: exit status 1"
        assert changes == []

    def test_its_success_is_enough_without_a_readiness_probe(
        self, changes: list[tuple[bool, bool]], until: Until
    ) -> None:
        """A container that has started and says nothing of readiness is ready."""

        async def scenario() -> None:
            prober = Health(up=True).prober(changes, startup=probe("up"))
            task = asyncio.create_task(prober.run())
            await until(lambda: prober.ready, "it is ready")
            await end(task)

        asyncio.run(scenario())


class TestReadiness:
    def test_it_comes_and_goes_by_the_thresholds(
        self, changes: list[tuple[bool, bool]], until: Until
    ) -> None:
        """So many failures in a row take it away, so many successes bring it back."""

        async def scenario() -> None:
            health = Health(ready=True)
            prober = health.prober(
                changes, readiness=probe("ready", failure_threshold=3, success_threshold=2)
            )
            task = asyncio.create_task(prober.run())
            await until(lambda: prober.ready, "it is ready")
            assert len(health.asked) == 2

            health.switches["ready"] = False
            await until(lambda: not prober.ready, "it is not ready")
            assert len(health.asked) == 5
            assert prober.waiting_for == "readiness probe: ready: exit status 1"

            health.switches["ready"] = True
            await until(lambda: prober.ready, "it is ready again")
            assert len(health.asked) == 7
            await end(task)

        asyncio.run(scenario())

    def test_it_is_asked_at_once_and_often_until_first_ready(
        self, changes: list[tuple[bool, bool]], until: Until
    ) -> None:
        """Neither the initial delay nor the period holds up a program that is quick."""

        async def scenario() -> None:
            slow = probe("ready", initial_delay_seconds=60, period_seconds=60)
            health = Health(ready=False)
            prober = health.prober(changes, readiness=slow)
            task = asyncio.create_task(prober.run())
            await until(lambda: len(health.asked) == 2, "it was asked twice")
            health.switches["ready"] = True
            await until(lambda: prober.ready, "it is ready", 2)
            await end(task)

        asyncio.run(scenario())

    def test_a_container_without_probes_or_ports_is_ready_when_it_runs(
        self, changes: list[tuple[bool, bool]], until: Until
    ) -> None:
        """There is nothing to ask."""

        async def scenario() -> None:
            prober = Health().prober(changes)
            task = asyncio.create_task(prober.run())
            await until(lambda: prober.ready, "it is ready")
            await end(task)

        asyncio.run(scenario())


class TestLiveness:
    def test_failures_in_a_row_are_a_reason_to_restart(self, changes: list[tuple[bool, bool]]) -> None:
        """The reason says how often and what was found."""

        async def scenario() -> Unhealthy:
            prober = Health(alive=False).prober(changes, liveness=probe("alive", failure_threshold=2))
            return await asyncio.wait_for(prober.run(), 5)

        unhealthy = asyncio.run(scenario())

        assert unhealthy.reason == "liveness probe failed 2 times: alive: exit status 1"
        assert not unhealthy.never_started

    def test_it_waits_for_its_initial_delay(self, changes: list[tuple[bool, bool]]) -> None:
        """A container gets its time before it can be called dead."""

        async def scenario() -> float:
            begin = time.monotonic()
            liveness = probe("alive", failure_threshold=1, initial_delay_seconds=0.3)
            await asyncio.wait_for(Health(alive=False).prober(changes, liveness=liveness).run(), 5)
            return time.monotonic() - begin

        assert asyncio.run(scenario()) >= 0.35


def test_nothing_is_left_when_probing_is_cancelled(
    changes: list[tuple[bool, bool]], until: Until, tmp_path: Path
) -> None:
    """A cancelled prober asks no more."""

    async def scenario() -> None:
        health = Health(ready=True, alive=True)
        prober = health.prober(changes, readiness=probe("ready"), liveness=probe("alive"))
        task = asyncio.create_task(prober.run())
        await until(lambda: len(health.asked) >= 2, "it probes")

        await end(task)

        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())
