"""Pods of Jobs, with real processes: they run to an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from localmesh.catalog.workload import Workload
from localmesh.runtime.workloads import PodState, container_supervisor

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
Until = Callable[..., Awaitable[None]]
MakeWorkload = Callable[..., Workload]


@pytest.mark.parametrize(
    ("container", "ends_as", "restarts"),
    [
        ({"command": ["true"]}, PodState.COMPLETED, 0),
        ({"command": ["false"]}, PodState.FAILED, 1),
        ({"image": "only-there"}, PodState.COMPLETED, 0),
    ],
    ids=["success", "failure", "no command"],
)
def test_a_job_ends(
    run_on_bench: Run,
    make_workload: MakeWorkload,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    container: dict[str, Any],
    ends_as: PodState,
    restarts: int,
) -> None:
    """A failed container is started again as often as the Job allows; one without a command is left out."""
    monkeypatch.setattr(container_supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    job = replace(make_workload(container), retries=1)

    async def scenario(bench: Any) -> None:
        pod = bench.pod(job)
        await pod.start()
        await pod.until_ready(5)
        await until(lambda: pod.done, "the Job has ended")

        assert (pod.state, pod.restarts, pod.ready) == (ends_as, restarts, False)
        await pod.stop()

    run_on_bench(scenario)
