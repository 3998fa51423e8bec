"""`POST /feedback` and `GET /feedback`: store and list whether judgements were right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask

from services.chassis import body, request_context
from services.chassis.metrics import Metrics
from services.chassis.problem import Problem
from services.chassis.settings import whole_number
from services.feedback.storage import Feedback, Storage, Stored

OPERATION = "POST /feedback"
DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
TOTAL = "x-total-count"


def routes(storage: Storage, metrics: Metrics) -> flask.Blueprint:
    """The routes of `/feedback`, on top of `storage`."""
    blueprint = flask.Blueprint("feedback", __name__)
    outcomes = metrics.outcomes(
        "sentimesh_feedback_requests",
        "Well-formed feedback; a duplicate repeats a request that is already stored.",
        "stored",
        "duplicate",
    )

    @blueprint.post("/feedback")
    def create() -> tuple[Mapping[str, Any], int]:
        document = body.json_object()
        feedback = Feedback(
            body.sentence(document), body.polarity(document), body.boolean(document, "correct")
        )
        context = request_context.current()
        stored, new = storage.add(feedback, request_id=context.request_id, operation=OPERATION)
        outcome = "stored" if new else "duplicate"
        outcomes[outcome].inc()
        context.note(outcome=outcome)
        return _document(stored), 201

    @blueprint.get("/feedback")
    def list_newest() -> flask.Response:
        newest = storage.newest(_limit())
        answer = flask.jsonify([_document(stored) for stored in newest])
        answer.headers[TOTAL] = str(storage.count())
        return answer

    return blueprint


def _limit() -> int:
    text = flask.request.args.get("limit", str(DEFAULT_LIMIT))
    try:
        return whole_number(1, MAX_LIMIT)(text)
    except ValueError as error:
        raise Problem(422, f'"limit" is "{text}", expected {error}.') from None


def _document(stored: Stored) -> Mapping[str, Any]:
    return {
        "id": stored.id,
        "sentence": stored.sentence,
        "polarity": stored.polarity,
        "correct": stored.correct,
        "created_at": stored.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
