"""`POST /analyse/sentiment`: the polarity of a sentence, unless the deliberate bug strikes first."""

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
    """The route `/analyse/sentiment`, with these faults."""
    blueprint = flask.Blueprint("analyse", __name__)
    analyser = SentimentIntensityAnalyzer()
    outcomes = metrics.outcomes(
        "sentimesh_logic_requests",
        "Well-formed requests, by what became of them; error and hang are the deliberate faults.",
        *(outcome.value for outcome in Outcome),
    )

    @blueprint.post("/analyse/sentiment")
    def analyse() -> Mapping[str, Any]:
        sentence = body.sentence(body.json_object())
        own = request_context.current()
        attempt = own.attempt or 1
        outcome = faults.outcome(own.request_id, attempt)
        outcomes[outcome.value].inc()
        own.note(outcome=outcome.value, attempt=attempt)
        if outcome is not Outcome.ANSWERED:
            _fail(outcome, attempt, faults)
        polarity = float(analyser.polarity_scores(sentence)["compound"])
        own.note(polarity=polarity)
        return {"sentence": sentence, "polarity": polarity}

    return blueprint


def _fail(outcome: Outcome, attempt: int, faults: Faults) -> None:
    """End this request as decided: with status 500, at once or after hanging."""
    if outcome is Outcome.HANG:
        time.sleep(faults.hang_seconds)
    how = f"hang for {faults.hang_seconds:g} seconds and fail" if outcome is Outcome.HANG else "fail at once"
    raise Problem(
        500,
        f"This version of logic is deliberately buggy, and this request is one of those that {how}.",
        fault={"deliberate": True, "outcome": outcome.value, "attempt": attempt},
    )
