"""webapp: the contract of `POST /sentiment`."""

from __future__ import annotations

import json

import pytest

from services.chassis.application import chassis_of
from services.testing import Recorder
from services.webapp.app import WebappSettings, create_app


@pytest.fixture
def client(recorder: Recorder):
    """A webapp whose logic is the recorder."""
    app = create_app(WebappSettings(pod="webapp-pod", logic_url=recorder.url, upstream_timeout_seconds=0.2))
    yield app.test_client()
    chassis_of(app).resources.close()


def test_a_sentence_comes_back_with_its_polarity(client, recorder: Recorder):
    """With the polarity of logic and the original sentence."""
    recorder.answer(200, b'{"sentence": "?", "polarity": -0.25}', served_by="logic/v1/logic-pod")

    answer = client.post("/sentiment", json={"sentence": "Grüße, not bad"})

    assert (answer.status_code, answer.json) == (200, {"sentence": "Grüße, not bad", "polarity": -0.25})
    assert answer.headers["served-by"] == "webapp/v1/webapp-pod, logic/v1/logic-pod"
    assert recorder.received[0][1] == "/analyse/sentiment"
    assert json.loads(recorder.received[0][3]) == {"sentence": "Grüße, not bad"}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "x" * 20_000, "content_type": "application/json"}, 413),
        ({"data": "sentence=x"}, 415),
        ({"json": {"sentence": ""}}, 422),
        ({"json": {}}, 422),
    ],
)
def test_a_bad_request_is_refused_before_logic_is_asked(client, recorder: Recorder, request_, status):
    """Validation happens in webapp."""
    answer = client.post("/sentiment", **request_)

    assert (answer.status_code, answer.json["status"]) == (status, status)
    assert answer.headers["served-by"] == "webapp/v1/webapp-pod"
    assert recorder.received == []


def test_another_method_is_refused(client):
    """Only POST is allowed."""
    answer = client.get("/sentiment")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"polarity": null}', b'{"polarity": 7}', b'{"polarity": NaN}', b"\xff"],
)
def test_an_answer_without_a_polarity_is_a_failing_upstream(client, recorder: Recorder, body):
    """502 with the status of logic, because its answer is unusable."""
    recorder.answer(200, body, served_by="logic/v3/logic-pod")

    answer = client.post("/sentiment", json={"sentence": "Fine."})

    assert (answer.status_code, answer.json["upstream"]) == (502, {"service": "logic", "status": 200})
    assert answer.headers["served-by"] == "webapp/v1/webapp-pod, logic/v3/logic-pod"


def test_a_failing_logic_is_reported_with_name_and_status(client, recorder: Recorder):
    """And with its hop."""
    recorder.answer(500, b"{}", served_by="logic/v2/logic-pod;attempt=2")

    answer = client.post("/sentiment", json={"sentence": "Fine."})

    assert (answer.status_code, answer.json["upstream"]) == (502, {"service": "logic", "status": 500})
    assert answer.headers["served-by"] == "webapp/v1/webapp-pod, logic/v2/logic-pod;attempt=2"


def test_a_hanging_logic_is_reported_after_the_deadline(client, recorder: Recorder):
    """504 without an upstream status."""
    recorder.delay = 0.4

    answer = client.post("/sentiment", json={"sentence": "Fine."})

    assert (answer.status_code, answer.json["upstream"]) == (504, {"service": "logic", "status": None})
