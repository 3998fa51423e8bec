"""Answers of a mesh that does as a prediction says."""

from __future__ import annotations

import uuid

from loadgen.measurement.measurement import Measurement, Observation
from loadgen.measurement.served_by import Hop
from loadgen.meshstate import FaultRates
from loadgen.meshstate.attempts import Ending, Outcome, Policy
from loadgen.proofs.common.attempts import Attempts, Observed
from loadgen.proofs.common.prediction import Prediction, read_prediction
from loadgen.statistics.judge import Check, Verdict
from loadgen.tests.stand_in_mesh import BASE, Objects, manifests, resources

OVERLAYS = "istio/overlays"
RATES = FaultRates(33, 32, 3)
RETRY = Policy(4, True, True, 0.5, 4.0)
IDS = [str(uuid.UUID(int=number)) for number in range(900)]


def overlay(name: str) -> Objects:
    """The application with an overlay's one patch."""
    patches = {
        "retry": "virtualservice-logic-80-20-retries.yaml",
        "retry-naive": "virtualservice-logic-80-20-retries-without-retry-on.yaml",
        "timeout": "virtualservice-logic-80-20-timeout.yaml",
    }
    return manifests(*BASE, f"{OVERLAYS}/{name}/{patches[name]}")


def prediction_of(name: str) -> Prediction:
    return read_prediction(resources(overlay(name)), remedy="")


def answer(prediction: Prediction, number: int) -> Observation:
    """The answer of a mesh that does as configured: every fifth request goes to v2."""
    version = "v2" if number % 5 == 0 else "v1"
    (end,) = prediction.endings(version, IDS[number])
    return observed(number, version, end)


def observed(number: int, version: str, end: Ending) -> Observation:
    status = {Outcome.ANSWERED: 200, Outcome.FAILED: 502, Outcome.TIMED_OUT: 504}[end.outcome]
    logic = [Hop("logic", version, f"logic-{version}-1", end.attempts)]
    hops = (Hop("webapp", "v1", "webapp-v1-1"), *(logic if end.outcome is not Outcome.TIMED_OUT else []))
    return Observation(number, status, hops, 0.01, request_id=IDS[number])


def as_configured(prediction: Prediction, *, more: int = 0) -> Observed:
    """The measurement on such a mesh, and the attempts that v2's pods counted for it, or some more."""
    measurement = Measurement([answer(prediction, number) for number in range(len(IDS))], planned=len(IDS))
    endings = (prediction.endings("v2", IDS[number]) for number in range(0, len(IDS), 5))
    counted = sum(max(end.attempts for end in of_request) for of_request in endings)
    return Observed(measurement, Attempts(more + counted))


def verdicts(checks: dict[str, Check]) -> dict[str, Verdict]:
    return {name: check.verdict for name, check in checks.items()}
