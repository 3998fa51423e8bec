"""Waiting for what the mesh does behind the users' backs: copies under way when the last answer is there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

PAUSE_SECONDS = 0.1
QUIET_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Activity:
    """How many requests pods have been given so far, and how many of them they are still working on."""

    arrived: float
    under_way: float


def settled(read: Callable[[], Activity], *, enough: float | None, within_seconds: float) -> bool:
    """Whether everything that is on its way has arrived and ended, once that is known.

    It is when nothing is under way and either `enough` have arrived or no more have for a second: a copy
    that waits for a pod does so only while the pod is busy. False if that is not so `within_seconds`.
    """
    end = time.monotonic() + within_seconds
    last = read()
    since = time.monotonic()
    while True:
        complete = enough is not None and last.arrived >= enough
        quiet = time.monotonic() - since >= QUIET_SECONDS
        if not last.under_way and (complete or quiet):
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(PAUSE_SECONDS)
        now = read()
        if now != last:
            last, since = now, time.monotonic()
