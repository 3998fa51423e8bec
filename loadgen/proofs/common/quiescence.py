"""Waiting for what the mesh does behind the users' backs: copies under way when the last answer is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement
from loadgen.meshstate.metrics import counted
from loadgen.proofs.common.proof import ProofContext

SETTLING_SECONDS = 30
PAUSE_SECONDS = 0.1
QUIET_SECONDS = 1.0
QUIET_ANSWERS = 4


@dataclass(frozen=True, slots=True)
class Activity:
    """How many requests pods have been given so far, and how many of them they are still working on."""

    arrived: float
    under_way: float


def under_way(bench: ProofContext, service: str, version: str) -> float:
    """How many requests the pods of a version are working on, now."""
    return counted(bench.api, service, version, "sentimesh_http_requests_in_flight")


def quiet_seconds(measurement: Measurement) -> float:
    """How long nothing must come for nothing to be on its way: longer where answers took longer, too."""
    slowest = max((one.latency_seconds for one in measurement.observations), default=0.0)
    return max(QUIET_SECONDS, QUIET_ANSWERS * slowest)


def settled(
    read: Callable[[], Activity],
    *,
    enough: float | None,
    within_seconds: float,
    quiet: float = QUIET_SECONDS,
) -> bool:
    """Whether everything that is on its way has arrived and ended, once that is known.

    It is when nothing is under way and either `enough` have arrived or no more have for `quiet` seconds: a
    copy that waits for a pod does so only while the pod is busy. False if that is not so `within_seconds`.
    """
    end = time.monotonic() + within_seconds
    last = read()
    since = time.monotonic()
    while True:
        complete = enough is not None and last.arrived >= enough
        if not last.under_way and (complete or time.monotonic() - since >= quiet):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(PAUSE_SECONDS)
        now = read()
        if now != last:
            last, since = now, time.monotonic()
