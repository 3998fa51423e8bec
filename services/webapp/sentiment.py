"""`POST /sentiment`: returns the polarity of a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask
from urllib3 import BaseHTTPResponse

from services.chassis import body
from services.chassis.problem import Problem
from services.chassis.upstream import Upstream


def routes(logic: Upstream) -> flask.Blueprint:
    """The route `/sentiment`, which calls `logic`."""
    blueprint = flask.Blueprint("sentiment", __name__)

    @blueprint.post("/sentiment")
    def sentiment() -> Mapping[str, Any]:
        sentence = body.sentence(body.json_object())
        answer = logic.post("/analyse/sentiment", {"sentence": sentence})
        return {"sentence": sentence, "polarity": _polarity(answer, logic)}

    return blueprint


def _polarity(answer: BaseHTTPResponse, logic: Upstream) -> float:
    """Returns the polarity in the answer of logic; raises a Problem with status 502 if there is none."""
    try:
        return body.polarity(answer.json())
    except (ValueError, TypeError, Problem):
        raise logic.problem(502, "logic answered without a polarity from -1 to 1.", answer) from None
