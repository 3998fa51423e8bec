"""feedback: the contract of `/feedback`, on each kind of database."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import flask
import pytest

from services.chassis.application import chassis_of
from services.feedback.app import FeedbackSettings, create_app
from services.testing import free_port

pytestmark = pytest.mark.xdist_group("postgresql")

FINE = {"sentence": "A fine day.", "polarity": 0.5, "correct": True}


@pytest.fixture
def app(database: str) -> Iterator[flask.Flask]:
    """The service feedback with an empty database."""
    app = create_app(FeedbackSettings(pod="feedback-pod", database_url=database))
    yield app
    chassis_of(app).resources.close()


@pytest.fixture
def client(app: flask.Flask):
    """A test client of the service."""
    return app.test_client()


def outcomes(app: flask.Flask) -> dict[str, float | None]:
    """The numbers of stored entries and of duplicates."""
    registry = chassis_of(app).metrics.registry
    name = "sentimesh_feedback_requests_total"
    return {
        outcome: registry.get_sample_value(name, {"outcome": outcome}) for outcome in ("stored", "duplicate")
    }


def test_feedback_is_stored(client):
    """201 with the stored entry."""
    answer = client.post("/feedback", json=FINE)

    assert answer.status_code == 201
    assert answer.json.keys() == {"id", "sentence", "polarity", "correct", "created_at"}
    assert FINE.items() <= answer.json.items()
    assert answer.json["created_at"].endswith("Z")
    assert client.get("/feedback").json == [answer.json]


def test_a_repeated_request_gets_the_same_answer_and_is_stored_once(app, client):
    """A retry or a mirrored copy makes no second entry."""
    headers = {"x-request-id": "request-1"}

    answers = [client.post("/feedback", json=FINE, headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert answers[0].data == answers[1].data == answers[2].data
    assert client.get("/feedback").headers["x-total-count"] == "1"
    assert outcomes(app) == {"stored": 1, "duplicate": 2}


def test_requests_without_an_id_are_all_stored(app, client):
    """Each gets a new id."""
    for _ in range(3):
        client.post("/feedback", json=FINE)

    assert outcomes(app) == {"stored": 3, "duplicate": 0}


def test_writes_from_many_threads_are_all_stored(app, client):
    """Once each, though every request is sent twice."""

    def send(thread: int) -> None:
        own = app.test_client()
        for number in range(40):
            own.post("/feedback", json=FINE, headers={"x-request-id": f"{thread // 2}-{number}"})

    threads = [threading.Thread(target=send, args=[thread]) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert client.get("/feedback").headers["x-total-count"] == "160"
    assert outcomes(app) == {"stored": 160, "duplicate": 160}


def test_the_newest_are_listed_first(client):
    """At most as many as requested."""
    for number in range(4):
        client.post("/feedback", json={**FINE, "sentence": f"Number {number}."})

    answer = client.get("/feedback?limit=2")

    assert [entry["sentence"] for entry in answer.json] == ["Number 3.", "Number 2."]
    assert answer.headers["x-total-count"] == "4"


def test_without_feedback_the_list_is_empty(client):
    """Not an error."""
    answer = client.get("/feedback")

    assert (answer.status_code, answer.json, answer.headers["x-total-count"]) == (200, [], "0")


@pytest.mark.parametrize("limit", ["", "0", "-1", "1001", "ten", "1.5", "9" * 5000])
def test_an_invalid_limit_is_refused(client, limit):
    """422, with the allowed range."""
    answer = client.get(f"/feedback?limit={limit}")

    assert answer.status_code == 422
    assert "expected a whole number from 1 to 1000" in answer.json["detail"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "x" * 20_000, "content_type": "application/json"}, 413),
        ({"data": "sentence=x"}, 415),
        ({"json": {**FINE, "sentence": "a\0b"}}, 422),
        ({"json": {**FINE, "sentence": "\ud800"}}, 422),
        ({"json": {**FINE, "polarity": 2}}, 422),
        ({"json": {**FINE, "correct": "yes"}}, 422),
        ({"json": {"sentence": "A fine day."}}, 422),
    ],
)
def test_an_invalid_request_is_refused_and_not_stored(app, client, request_, status):
    """With a problem that names the error."""
    answer = client.post("/feedback", **request_)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert outcomes(app) == {"stored": 0, "duplicate": 0}


def test_another_method_is_refused(client):
    """Feedback cannot be deleted."""
    assert client.delete("/feedback").status_code == 405


def test_it_is_ready_when_its_database_is(client):
    """The check creates the table."""
    assert client.get("/readyz").status_code == 200


def test_without_its_database_it_is_alive_and_not_ready(caplog):
    """503 for readiness and for requests; answers and logs do not contain the password."""
    away = f"postgresql://user:secret@127.0.0.1:{free_port()}/db"
    app = create_app(FeedbackSettings(pod="feedback-pod", database_url=away))
    client = app.test_client()

    answers = [
        client.get("/livez"),
        client.get("/readyz"),
        client.post("/feedback", json=FINE),
        client.get("/feedback"),
    ]
    chassis_of(app).resources.close()

    assert [answer.status_code for answer in answers] == [200, 503, 503, 503]
    assert answers[2].json["detail"] == "The database of feedback is not available."
    assert "database not available" in caplog.text
    assert "secret" not in caplog.text + answers[2].text


def test_the_default_database_is_a_file_in_the_data_folder(tmp_path):
    """The folder DATA_DIR is created."""
    app = create_app(FeedbackSettings(data_dir=str(tmp_path / "new" / "folder")))

    answer = app.test_client().post("/feedback", json=FINE)
    chassis_of(app).resources.close()

    assert answer.status_code == 201
    assert (tmp_path / "new" / "folder" / "feedback.sqlite3").is_file()


def test_it_survives_a_restart_and_a_killed_worker(launch, tmp_path):
    """Acknowledged entries are kept: the next process lists them."""
    feedback = launch("feedback", DATA_DIR=tmp_path / "kept")
    stored = feedback.post("/feedback", json=FINE, headers={"x-request-id": "request-1"}).json()
    feedback.process.kill()
    feedback.process.wait(30)

    again = launch("feedback", DATA_DIR=tmp_path / "kept")

    assert again.get("/feedback").json() == [stored]
    assert again.post("/feedback", json=FINE, headers={"x-request-id": "request-1"}).json() == stored
