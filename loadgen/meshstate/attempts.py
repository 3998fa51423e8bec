"""Tries: what a route's deadline and retries make of a request whose fate is known try by try.

Which of the deliberate failures strikes is decided by a hash of (FAULT_SEED, request id, try), as the
services document it. So for every request id it can be foretold after which try it ends, and how. Only time
is left to chance: Envoy waits between tries, for up to (2ⁿ - 1) times 25 ms before retry n (Envoy, "HTTP
route components", `RetryPolicy`: fully jittered exponential back-off, at most ten times its base). Where
the whole deadline falls into that, several ends are possible, and all of them are said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from hashlib import blake2b
from itertools import product
from typing import Any

from loadgen.meshstate.durations import seconds
from loadgen.meshstate.errors import UnsupportedConfig
from loadgen.meshstate.routes import Route
from loadgen.meshstate.split import FaultRates

BACK_OFF_SECONDS = 0.025
"""Envoy's base interval where the route names none."""
SLACK_SECONDS = 0.1
"""How long a try that neither fails nor hangs may take without being taken for one that hangs."""

MAX_ATTEMPTS = 8
"""All courses of a request are followed: three for each try."""


class Fate(Enum):
    """What becomes of one try."""

    ANSWERED = "answered"
    ERROR = "error"
    HANG = "hang"


class Outcome(Enum):
    """How a request ends for the caller: with the answer, with the version's failure, or by a deadline."""

    ANSWERED = "answered"
    FAILED = "failed"
    TIMED_OUT = "cut"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends, and after how many tries."""

    outcome: Outcome
    attempts: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A route's deadlines and retries; `attempts` counts the first one, and None is no deadline (seconds)."""

    attempts: int = 1
    repeats_errors: bool = False
    repeats_cuts: bool = False
    try_seconds: float | None = None
    whole_seconds: float | None = None
    back_off_seconds: float = BACK_OFF_SECONDS

    def pause(self, number: int) -> float:
        """The longest pause before a try, in seconds."""
        return self.back_off_seconds * min((1 << (number - 1)) - 1, 10)


def policy_of(route: Route) -> Policy:
    """The policy of a route: Istio's default retries repeat neither the application's failures nor cuts."""
    retries: Mapping[str, Any] = route.spec.get("retries") or {}
    whole = _seconds(route.spec.get("timeout"))
    if not retries.get("attempts"):
        return Policy(whole_seconds=whole)
    conditions = {condition.strip() for condition in retries.get("retryOn", "").split(",")}
    return Policy(
        attempts=1 + int(retries["attempts"]),
        repeats_errors=bool(conditions & {"5xx", "500"}),
        repeats_cuts=bool(conditions & {"5xx", "gateway-error", "reset"}),
        try_seconds=_seconds(retries.get("perTryTimeout")),
        whole_seconds=whole,
        back_off_seconds=_seconds(retries.get("backoff")) or BACK_OFF_SECONDS,
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else seconds(text)


def fate(odds: FaultRates, request_id: str, number: int) -> Fate:
    """What the services decide for this try (from 1) of this request."""
    digest = blake2b(f"{odds.seed}\0{request_id}\0{number}".encode(), digest_size=8).digest()
    percentile = int.from_bytes(digest) / 2**64 * 100
    if percentile < odds.error_percent:
        return Fate.ERROR
    return Fate.HANG if percentile < odds.error_percent + odds.hang_percent else Fate.ANSWERED


def predicted(policy: Policy, odds: FaultRates, request_id: str) -> frozenset[Ending]:
    """The ends that this request can come to; more than one where it depends on the length of pauses."""
    return frozenset(_ends(policy, odds, lambda number: fate(odds, request_id, number)))


def chances(policy: Policy, odds: FaultRates) -> Iterator[tuple[float, frozenset[Ending]]]:
    """Every set of ends that requests can come to, with its probability; they add up to 1."""
    if policy.attempts > MAX_ATTEMPTS:
        raise UnsupportedConfig(f"{policy.attempts} tries are more than loadgen follows ({MAX_ATTEMPTS})")
    error, hang = odds.error_percent / 100, odds.hang_percent / 100
    chance = {Fate.ANSWERED: 1 - error - hang, Fate.ERROR: error, Fate.HANG: hang}
    for fates in product(Fate, repeat=policy.attempts):
        probability = math.prod(chance[one] for one in fates)
        if probability > 0:
            yield probability, frozenset(_ends(policy, odds, partial(_nth, fates)))


def least_and_most(policy: Policy, odds: FaultRates, holds: Callable[[Ending], bool]) -> tuple[float, float]:
    """The share of requests whose end it holds for: surely, and at most."""
    least = most = 0.0
    for probability, ends in chances(policy, odds):
        least += probability * all(map(holds, ends))
        most += probability * any(map(holds, ends))
    return least, most


def held_seconds(policy: Policy, odds: FaultRates) -> float:
    """For how many seconds a request keeps threads of the version busy, on average: no try is called off."""
    hanging = odds.hang_percent / 100
    attempts = sum(
        probability * max(end.attempts for end in ends) for probability, ends in chances(policy, odds)
    )
    return attempts * hanging * odds.hang_seconds


def _nth(fates: Sequence[Fate], number: int) -> Fate:
    return fates[number - 1]


def _ends(policy: Policy, odds: FaultRates, fate_of: Callable[[int], Fate]) -> Iterable[Ending]:
    """Follow a request try by try, with the shortest and the longest pauses between them."""
    soonest = latest = 0.0
    for number in range(1, policy.attempts + 1):
        latest += policy.pause(number) + SLACK_SECONDS
        found = fate_of(number)
        waited, cut = _hanging(policy, odds) if found is Fate.HANG else (0.0, False)
        if policy.whole_seconds is not None and latest + waited >= policy.whole_seconds:
            yield Ending(Outcome.TIMED_OUT, number)
            if soonest + waited >= policy.whole_seconds:
                return
        soonest, latest = soonest + waited, latest + waited
        if found is Fate.ANSWERED:
            yield Ending(Outcome.ANSWERED, number)
            return
        repeats = policy.repeats_cuts if cut else policy.repeats_errors
        if not repeats or number == policy.attempts:
            yield Ending(Outcome.TIMED_OUT if cut else Outcome.FAILED, number)
            return


def _hanging(policy: Policy, odds: FaultRates) -> tuple[float, bool]:
    """How long a hanging try takes, and whether its own deadline ends it."""
    if policy.try_seconds is not None and policy.try_seconds < odds.hang_seconds:
        return policy.try_seconds, True
    return odds.hang_seconds, False
