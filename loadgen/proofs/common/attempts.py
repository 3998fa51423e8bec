"""Attempts as the pods count them, compared with what the answers imply; and the proofs of retries.

Pods count the requests of others, too. Request ids in the pods' logs distinguish those from the proof's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.quality import Quality
from loadgen.meshstate import MeshApi, Resources
from loadgen.meshstate.attempts import Ending
from loadgen.meshstate.pods import metric_sum
from loadgen.proofs.common.foreign_traffic import EntryCounter, own_log_lines
from loadgen.proofs.common.prediction import (
    MARGIN_SECONDS,
    SERVICE,
    Prediction,
    as_predicted,
    deadline_checks,
    facts,
    is_timeout,
    load_plan,
    most_attempts_check,
    prediction_check,
    prediction_quality,
    share_check,
)
from loadgen.proofs.common.proof import Proof, ProofContext
from loadgen.statistics.judge import (
    Cause,
    Check,
    failed,
    inconclusive,
    passed,
    unless,
)

ATTEMPTS_METRIC = "sentimesh_logic_requests_total"
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts at the faulty versions: as their pods counted them, and as their logs have the proof's own.

    `foreign` is how many requests others sent meanwhile; `own` is only read if there are any, and None if it
    cannot be read.
    """

    counted: int
    foreign: int = 0
    own: int | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The answers, and the attempts that pods counted for them."""

    measurement: Measurement
    attempts: Attempts


def observe(context: ProofContext, prediction: Prediction) -> Observed:
    """Send as planned and read the attempts that the faulty pods counted."""
    api = context.api
    entry, before = EntryCounter.read(api), _counted(api, prediction)
    measurement = context.send(load_plan(prediction))
    counted = _counted(api, prediction) - before
    foreign = entry.foreign_requests(measurement)
    own = _own_attempts(api, prediction, measurement, foreign) if foreign else None
    return Observed(measurement, Attempts(counted, foreign, own))


def _counted(api: MeshApi, prediction: Prediction) -> int:
    return round(sum(metric_sum(api, SERVICE, version, ATTEMPTS_METRIC) for version in prediction.faulty))


def _own_attempts(api: MeshApi, prediction: Prediction, measurement: Measurement, foreign: int) -> int | None:
    """The attempts of the proof's own requests by the logs, once all that hang have ended."""
    least, _ = _attempts_by_answers(prediction, measurement)
    end = time.monotonic() + prediction.longest_hang + MARGIN_SECONDS
    while True:
        lines = own_log_lines(api, SERVICE, prediction.faulty, measurement, foreign=foreign)
        if lines is None or len(lines) >= least or time.monotonic() >= end:
            return None if lines is None else len(lines)
        time.sleep(POLL_SECONDS)


def attempts_check(prediction: Prediction, observed: Observed) -> Check:
    """Whether the faulty versions counted as many attempts as the answers imply, each of them once."""
    measurement, attempts = observed.measurement, observed.attempts
    name = f"attempts at {' and '.join(prediction.faulty)}"
    least, most = _attempts_by_answers(prediction, measurement)
    implied = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    expected = f"{implied} by the answers, {attempts.counted:,} counted by the pods"
    if not len(measurement):
        return inconclusive(name, expected, Cause.TOO_FEW, "no data")
    unknown = measurement.count(lambda one: as_predicted(prediction, one) is None)
    if unknown:
        reason = f"the number of attempts of {unknown:,} requests is unknown"
        return inconclusive(name, expected, Cause.UNKNOWN_OUTCOMES, reason)
    quality = prediction_quality(prediction, measurement, attempts.foreign)
    if _explained_by_others(prediction, attempts, least, most):
        return inconclusive(name, expected, Cause.FOREIGN_TRAFFIC, quality.foreign)
    if least <= attempts.counted <= most:
        return passed(name, expected)
    check = failed(name, expected, f"the pods counted {attempts.counted:,}, the answers imply {implied}")
    if attempts.counted > most:
        return check
    # A timeout does not name its version. On a slow machine it may be of a sound one, which has no attempt
    # at a faulty version.
    return unless(check, Cause.BUSY, quality.busy)


def _explained_by_others(prediction: Prediction, attempts: Attempts, least: int, most: int) -> bool:
    """Whether the surplus may consist of attempts of requests that others sent.

    All attempts of a request carry its id. So where the logs have as many attempts of the proof's own
    requests as the answers imply, the mesh has not made too many. Without logs, or with incomplete ones, own
    retries cannot be distinguished from those of others: then only as much is explained as there are foreign
    requests.
    """
    if not attempts.foreign or attempts.counted < least:
        return False
    if attempts.own is None or attempts.own < least:
        return attempts.counted - most <= attempts.foreign
    surplus = attempts.counted - attempts.own
    return attempts.own <= most and surplus <= attempts.foreign * prediction.policy.attempts


def _attempts_by_answers(prediction: Prediction, measurement: Measurement) -> tuple[int, int]:
    """How many attempts at faulty versions the answers imply, at least and at most."""
    numbers = [list(_possible_attempts(prediction, one)) for one in measurement.observations]
    return (
        sum(min(possible, default=0) for possible in numbers),
        sum(max(possible, default=0) for possible in numbers),
    )


def _possible_attempts(prediction: Prediction, one: Observation) -> Iterator[int]:
    """The numbers of attempts at faulty versions that an observation allows."""
    version = one.version_of(SERVICE)
    if version in prediction.faulty:
        yield one.attempt_of(SERVICE) or 1
    elif version is None and one.request_id is not None:
        for faulty in prediction.faulty:
            endings = prediction.endings(faulty, one.request_id)
            yield from (ending.attempts for ending in endings if is_timeout(ending))


Share = tuple[str, Callable[[Ending], bool]]
"""The name of a check, and the endings that it counts."""


def retry_proof(
    scenario: str,
    proves: str,
    read: Callable[[Resources], Prediction],
    effect: Callable[[Prediction], str],
    shares: Sequence[Share],
) -> Proof[Prediction, Observed]:
    """A proof of retries; `effect` describes in one sentence what they lead to."""

    def judge(prediction: Prediction, observed: Observed) -> list[Check]:
        measurement = observed.measurement
        return [
            *(share_check(prediction, measurement, name, holds) for name, holds in shares),
            prediction_check(prediction, measurement),
            most_attempts_check(prediction, measurement),
            *deadline_checks(prediction, measurement),
            attempts_check(prediction, observed),
        ]

    return Proof(
        scenario=scenario,
        proves=proves,
        read=read,
        facts=lambda prediction: {**facts(prediction), "effect": effect(prediction)},
        measure=observe,
        judge=judge,
        quality=observed_quality,
    )


def observed_quality(prediction: Prediction, observed: Observed) -> Quality:
    """The quality of such a measurement."""
    return prediction_quality(prediction, observed.measurement, observed.attempts.foreign)
