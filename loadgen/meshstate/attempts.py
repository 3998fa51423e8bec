"""Attempts: what a route's deadlines and retries make of a request whose fate is known for each attempt.

A hash of (FAULT_SEED, request id, attempt) decides which attempts of a faulty version fail or hang, as the
services document it. So the attempt after which a request ends, and how, can be predicted from its id. Only
the back-off is random: before retry n Envoy waits for up to (2ⁿ - 1) times 25 ms (Envoy, "HTTP route
components", `RetryPolicy`: fully jittered exponential back-off, at most ten times the base interval). Where
the deadline of the whole request falls into that, several endings are possible, and all are predicted.
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

from loadgen.meshstate.resources import UnsupportedConfig, seconds
from loadgen.meshstate.routes import Route
from loadgen.meshstate.split import FaultRates

BACK_OFF_SECONDS = 0.025
"""Envoy's default base interval."""
SLACK_SECONDS = 0.1
"""How long an attempt that neither fails nor hangs may take in the computation of deadlines."""

MAX_ATTEMPTS = 8
"""The computation follows every sequence of fates: three for each attempt."""


class Fate(Enum):
    """The fate of one attempt."""

    ANSWERED = "answered"
    ERROR = "error"
    HANG = "hang"


class Outcome(Enum):
    """How a request ends for the caller: with the answer, the version's failure, or a deadline."""

    ANSWERED = "answered"
    FAILED = "failed"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ends, and after how many attempts."""

    outcome: Outcome
    attempts: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A route's retries and deadlines.

    `attempts` includes the first one. `per_try_seconds` limits each attempt, `timeout_seconds` all of them
    together; None is no limit.
    """

    attempts: int = 1
    retries_errors: bool = False
    retries_timeouts: bool = False
    per_try_seconds: float | None = None
    timeout_seconds: float | None = None
    back_off_seconds: float = BACK_OFF_SECONDS

    def back_off(self, number: int) -> float:
        """The longest back-off before an attempt, in seconds."""
        return self.back_off_seconds * min((1 << (number - 1)) - 1, 10)


def policy_of(route: Route) -> Policy:
    """The policy of a route: by default Istio retries neither the application's failures nor timeouts."""
    retries: Mapping[str, Any] = route.spec.get("retries") or {}
    timeout = _seconds(route.spec.get("timeout"))
    if not retries.get("attempts"):
        return Policy(timeout_seconds=timeout)
    conditions = {condition.strip() for condition in retries.get("retryOn", "").split(",")}
    return Policy(
        attempts=1 + int(retries["attempts"]),
        retries_errors=bool(conditions & {"5xx", "500"}),
        retries_timeouts=bool(conditions & {"5xx", "gateway-error", "reset"}),
        per_try_seconds=_seconds(retries.get("perTryTimeout")),
        timeout_seconds=timeout,
        back_off_seconds=_seconds(retries.get("backoff")) or BACK_OFF_SECONDS,
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else seconds(text)


def fate(rates: FaultRates, request_id: str, number: int) -> Fate:
    """What the services decide for this attempt (from 1) of a request."""
    digest = blake2b(f"{rates.seed}\0{request_id}\0{number}".encode(), digest_size=8).digest()
    percentile = int.from_bytes(digest) / 2**64 * 100
    if percentile < rates.error_percent:
        return Fate.ERROR
    return Fate.HANG if percentile < rates.error_percent + rates.hang_percent else Fate.ANSWERED


def predicted_endings(policy: Policy, rates: FaultRates, request_id: str) -> frozenset[Ending]:
    """The possible endings of this request; more than one where they depend on the back-off."""
    return frozenset(_endings(policy, rates, lambda number: fate(rates, request_id, number)))


def endings_with_probability(policy: Policy, rates: FaultRates) -> Iterator[tuple[float, frozenset[Ending]]]:
    """Every set of possible endings with its probability; the probabilities add up to 1."""
    if policy.attempts > MAX_ATTEMPTS:
        raise UnsupportedConfig(
            f"{policy.attempts} attempts are more than loadgen computes with ({MAX_ATTEMPTS})"
        )
    error, hang = rates.error_percent / 100, rates.hang_percent / 100
    chance = {Fate.ANSWERED: 1 - error - hang, Fate.ERROR: error, Fate.HANG: hang}
    for fates in product(Fate, repeat=policy.attempts):
        probability = math.prod(chance[one] for one in fates)
        if probability > 0:
            yield probability, frozenset(_endings(policy, rates, partial(_nth, fates)))


def share_bounds(policy: Policy, rates: FaultRates, holds: Callable[[Ending], bool]) -> tuple[float, float]:
    """The lower and upper bound of the share of requests whose ending satisfies the predicate."""
    lower = upper = 0.0
    for probability, endings in endings_with_probability(policy, rates):
        lower += probability * all(map(holds, endings))
        upper += probability * any(map(holds, endings))
    return lower, upper


def occupied_seconds(policy: Policy, rates: FaultRates) -> float:
    """How long a request occupies threads of the version on average: hangs are not cancelled."""
    hanging = rates.hang_percent / 100
    attempts = sum(
        probability * max(ending.attempts for ending in endings)
        for probability, endings in endings_with_probability(policy, rates)
    )
    return attempts * hanging * rates.hang_seconds


def _nth(fates: Sequence[Fate], number: int) -> Fate:
    return fates[number - 1]


def _endings(policy: Policy, rates: FaultRates, fate_of: Callable[[int], Fate]) -> Iterable[Ending]:
    """Follow a request attempt by attempt, with the shortest and the longest back-off."""
    soonest = latest = 0.0
    for number in range(1, policy.attempts + 1):
        latest += policy.back_off(number) + SLACK_SECONDS
        fate_of_this = fate_of(number)
        waited, timed_out = _hang(policy, rates) if fate_of_this is Fate.HANG else (0.0, False)
        if policy.timeout_seconds is not None and latest + waited >= policy.timeout_seconds:
            yield Ending(Outcome.TIMED_OUT, number)
            if soonest + waited >= policy.timeout_seconds:
                return
        soonest, latest = soonest + waited, latest + waited
        if fate_of_this is Fate.ANSWERED:
            yield Ending(Outcome.ANSWERED, number)
            return
        retried = policy.retries_timeouts if timed_out else policy.retries_errors
        if not retried or number == policy.attempts:
            yield Ending(Outcome.TIMED_OUT if timed_out else Outcome.FAILED, number)
            return


def _hang(policy: Policy, rates: FaultRates) -> tuple[float, bool]:
    """How long a hanging attempt takes, and whether its own deadline ends it."""
    if policy.per_try_seconds is not None and policy.per_try_seconds < rates.hang_seconds:
        return policy.per_try_seconds, True
    return rates.hang_seconds, False
