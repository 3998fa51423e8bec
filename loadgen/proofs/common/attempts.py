"""Tries as the pods count them: what a proof foretells of the answers must be what the faulty versions saw.

Others who send meanwhile are counted by the same pods. Their requests and the proof's own are told apart by
request ids in the pods' logs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Measurement, Observation
from loadgen.meshstate import Resources, UnsupportedConfig
from loadgen.meshstate.metrics import counted
from loadgen.proofs.common import foreign_traffic
from loadgen.proofs.common.foreign_traffic import Entrance, own_lines
from loadgen.proofs.common.prediction import (
    MARGIN_SECONDS,
    SERVICE,
    Plan,
    as_predicted,
    is_cut,
    load_plan,
    longest_hang,
    stalled,
)
from loadgen.proofs.common.proof import ProofContext
from loadgen.statistics.judge import (
    BUSY,
    TRY_AGAIN,
    Check,
    downgrade_to_inconclusive,
    failed,
    inconclusive,
    passed,
)

ATTEMPTS_METRIC = "sentimesh_logic_requests_total"
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Attempts:
    """Tries at the faulty versions: as their pods counted them, and as their logs tell of the proof's own.

    `others` are requests that others sent meanwhile; `own` is only read if there are any, and None if it
    cannot be.
    """

    counted: int
    others: int = 0
    own: int | None = None


def observe(
    bench: ProofContext, plan: Plan, reread: Callable[[Resources], Plan]
) -> tuple[LoadPlan, Measurement, Attempts]:
    """Send as planned; gives what was planned, the tally, and the tries that the faulty pods counted."""
    planned = load_plan(plan)
    entrance, before = Entrance.of(bench), _tries_counted(bench, plan)
    measurement = bench.send(planned)
    if reread(bench.resources()) != plan:
        raise UnsupportedConfig("the configuration was changed while the requests were sent")
    found = _tries_counted(bench, plan) - before
    more = entrance.others(bench, measurement)
    return (
        planned,
        measurement,
        Attempts(found, more, _own_tries(bench, plan, measurement, more) if more else None),
    )


def _own_tries(bench: ProofContext, plan: Plan, measurement: Measurement, more: int) -> int | None:
    """How many tries of the proof's own requests the logs tell of, once all that hang have ended."""
    least, _ = _tries_by_answers(plan, measurement)
    end = time.monotonic() + longest_hang(plan) + MARGIN_SECONDS
    while True:
        lines = own_lines(bench, SERVICE, plan.faulty, measurement, others=more)
        if lines is None or len(lines) >= least or time.monotonic() >= end:
            return None if lines is None else len(lines)
        time.sleep(POLL_SECONDS)


def _tries_counted(bench: ProofContext, plan: Plan) -> int:
    return round(sum(counted(bench.api, SERVICE, version, ATTEMPTS_METRIC) for version in plan.faulty))


def attempts_check(plan: Plan, measurement: Measurement, attempts: Attempts) -> Check:
    """Whether the faulty versions' own counters saw as many tries as the answers imply, each exactly once."""
    name = f"tries at {' and '.join(plan.faulty)}"
    least, most = _tries_by_answers(plan, measurement)
    between = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    expected = f"{between} by the answers, and {attempts.counted:,} counted by the pods"
    unknown = measurement.count(lambda one: as_predicted(plan, one) is None)
    if not len(measurement) or unknown:
        reason = f"of {unknown:,} requests it is not known how often they were tried; {TRY_AGAIN}"
        return inconclusive(name, expected, reason)
    if _explained_by_others(plan, attempts, least, most):
        return inconclusive(name, expected, foreign_traffic.reason(attempts.others))
    if least <= attempts.counted <= most:
        return passed(name, expected)
    reason = f"{attempts.counted:,} were counted, but the answers say {between}"
    # A request that was cut may have been the sound version's if the machine was slow: no try at the faulty.
    slow = least - stalled(plan, measurement) <= attempts.counted < least
    return downgrade_to_inconclusive(failed(name, expected, reason), BUSY if slow else "")


def _explained_by_others(plan: Plan, attempts: Attempts, least: int, most: int) -> bool:
    """Whether what was counted too much may all be tries of requests that others sent.

    All tries of a request carry its id. So where the logs tell of as many tries of the proof's own requests
    as the answers do, the mesh has not made too many of them. Without logs (or with a part of them) nothing
    tells retries of the own requests from those of others: only so much is explained as there can be first
    tries.
    """
    if not attempts.others or attempts.counted < least:
        return False
    if attempts.own is None or attempts.own < least:
        return attempts.counted - most <= attempts.others
    return attempts.own <= most and attempts.counted - attempts.own <= attempts.others * plan.policy.attempts


def _tries_by_answers(plan: Plan, measurement: Measurement) -> tuple[int, int]:
    """How many tries at faulty versions the answers imply, at least and at most."""
    numbers = [list(_tries_of(plan, one)) for one in measurement.observations]
    return sum(min(each, default=0) for each in numbers), sum(max(each, default=0) for each in numbers)


def _tries_of(plan: Plan, one: Observation) -> Iterator[int]:
    """The numbers of tries at faulty versions that an observation allows."""
    version = one.version_of(SERVICE)
    if version in plan.faulty:
        yield one.attempt_of(SERVICE) or 1
    elif version is None and one.request_id is not None:
        for faulty in plan.faulty:
            yield from (end.attempts for end in plan.ends(faulty, one.request_id) if is_cut(end))
