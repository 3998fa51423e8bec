"""The clients of the faults, well-behaved and not."""

from __future__ import annotations

from collections import Counter

from loadgen.faults.fault import Client, Outcomes
from loadgen.measurement.measure import LoadPlan
from loadgen.measurement.measurement import Observation
from loadgen.measurement.sentiment import sentiment_requests
from loadgen.proofs.common.access import outcome
from loadgen.proofs.common.proof import ProofContext

ANSWERED = "200 of webapp, logic"
"""What a client that sends sentences gets from a mesh without a fault."""
PATIENCE_SECONDS = 10.0
_CONNECTIONS = 4


def sentences(*, patience_seconds: float = PATIENCE_SECONDS, at_once: bool = False) -> Client:
    """A client that sends sentences and closes the connection if there is no answer in time."""

    def send(context: ProofContext, count: int) -> Outcomes:
        plan = LoadPlan(
            sentiment_requests(),
            count,
            count if at_once else _CONNECTIONS,
            patience_seconds,
            keep_answers=True,
        )
        return Counter(map(_in_words, context.send(plan).observations))

    return send


def _in_words(one: Observation) -> str:
    return outcome(one) if one.loss is None else one.loss.meaning
