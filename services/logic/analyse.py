"""`POST /analyse/sentiment`: the polarity of a sentence, unless a deliberate fault applies."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import flask
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from services.chassis import body, request_context
from services.chassis.metrics import Metrics
from services.chassis.problem import Problem
from services.logic.faults import Faults, Outcome


def routes(faults: Faults, metrics: Metrics) -> flask.Blueprint:
    """The route `/analyse/sentiment` with these faults."""
    blueprint = flask.Blueprint("analyse", __name__)
    analyser = SentimentIntensityAnalyzer()
    outcomes = metrics.outcomes(
        "sentimesh_logic_requests",
        "Well-formed requests, by outcome; error and hang are the deliberate faults.",
        *(outcome.value for outcome in Outcome),
    )

    @blueprint.post("/analyse/sentiment")
    def analyse() -> Mapping[str, Any]:
        sentence = body.sentence(body.json_object())
        context = request_context.current()
        attempt = context.attempt or 1
        outcome = faults.outcome(context.request_id, attempt)
        outcomes[outcome.value].inc()
        context.note(outcome=outcome.value, attempt=attempt)
        if outcome is not Outcome.ANSWERED:
            _fail(outcome, attempt, faults)
        polarity = float(analyser.polarity_scores(sentence)["compound"])
        context.note(polarity=polarity)
        return {"sentence": sentence, "polarity": polarity}

    return blueprint


def _fail(outcome: Outcome, attempt: int, faults: Faults) -> None:
    """Fail this request with status 500, at once or after hanging."""
    if outcome is Outcome.HANG:
        time.sleep(faults.hang_seconds)
    how = f"hang for {faults.hang_seconds:g} seconds and fail" if outcome is Outcome.HANG else "fail at once"
    raise Problem(
        500,
        f"This version of logic is deliberately buggy, and this request is one of those that {how}.",
        fault={"deliberate": True, "outcome": outcome.value, "attempt": attempt},
    )
