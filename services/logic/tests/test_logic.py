"""logic: the contract of `POST /analyse/sentiment`, with and without deliberate faults."""

from __future__ import annotations

import logging
import time

import flask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.chassis.application import chassis_of
from services.logic.app import LogicSettings, create_app
from services.logic.faults import Faults, Outcome

PATH = "/analyse/sentiment"
HANG_SECONDS = 0.05
BUGGY = {
    "version": "v2",
    "pod": "logic-pod",
    "fault_error_percent": 33.0,
    "fault_hang_percent": 32.0,
    "hang_seconds": HANG_SECONDS,
}
FAULTS = Faults(error_percent=33, hang_percent=32, hang_seconds=HANG_SECONDS, seed="sentimesh")


def request_id(outcome: Outcome, attempt: int = 1) -> str:
    """An id with this outcome."""
    return next(
        request_id for request_id in map(str, range(1000)) if FAULTS.outcome(request_id, attempt) is outcome
    )


@pytest.fixture(scope="module")
def sound():
    """A test client of version 1."""
    return create_app(LogicSettings(pod="logic-pod")).test_client()


@pytest.fixture
def buggy_app() -> flask.Flask:
    """Version 2, with a short hang."""
    return create_app(LogicSettings(**BUGGY))


def ask(client, **headers: str):
    """The answer to a sentence."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(PATH, json={"sentence": "What a fine day."}, headers=named)


@pytest.mark.parametrize(
    ("sentence", "low", "high"),
    [
        ("What a wonderful, happy day!", 0.5, 1),
        ("This is terrible, I hate it.", -1, -0.5),
        ("The train leaves at nine.", 0, 0),
        ("12345", 0, 0),
        ("¯\\_(ツ)_/¯ 🎉", -1, 1),
    ],
)
def test_a_sentence_gets_a_polarity(sound, sentence, low, high):
    """A number from -1 to 1, and the sentence."""
    answer = sound.post(PATH, json={"sentence": sentence})

    assert answer.status_code == 200
    assert answer.json.keys() == {"sentence", "polarity"}
    assert answer.json["sentence"] == sentence
    assert isinstance(answer.json["polarity"], float)
    assert low <= answer.json["polarity"] <= high


@given(st.text(min_size=1, max_size=200))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gets_a_polarity_or_is_refused(sound, sentence):
    """Never a server error."""
    answer = sound.post(PATH, json={"sentence": sentence})

    assert answer.status_code == 422 or -1 <= answer.json["polarity"] <= 1


def test_the_longest_sentence_is_fast(sound):
    """VADER's time grows with the square of the length; the limit bounds it."""
    began = time.process_time()
    answer = sound.post(PATH, json={"sentence": "bad " * 250})

    assert answer.status_code == 200
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "x" * 20_000, "content_type": "application/json"}, 413),
        ({"data": "sentence=x"}, 415),
        ({"json": {"sentence": 5}}, 422),
    ],
)
def test_a_bad_request_is_refused(sound, request_, status):
    """As a problem."""
    answer = sound.post(PATH, **request_)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


def test_another_method_is_refused(sound):
    """405 with the allowed methods."""
    assert sound.get(PATH).status_code == 405


def test_the_buggy_version_fails_at_once_hangs_or_answers(buggy_app):
    """As the hash decides: 500 at once, 500 after a hang, or an answer."""
    client = buggy_app.test_client()
    took = {}
    answers = {}

    for outcome in Outcome:
        began = time.monotonic()
        answers[outcome] = ask(client, x_request_id=request_id(outcome))
        took[outcome] = time.monotonic() - began

    assert [answers[outcome].status_code for outcome in Outcome] == [200, 500, 500]
    assert took[Outcome.HANG] >= HANG_SECONDS > took[Outcome.ERROR]


def test_a_deliberate_failure_is_marked_as_such(buggy_app):
    """So that it is not mistaken for another bug."""
    answer = ask(buggy_app.test_client(), x_request_id=request_id(Outcome.ERROR))

    assert "deliberately buggy" in answer.json["detail"]
    assert answer.json["fault"] == {"deliberate": True, "outcome": "error", "attempt": 1}
    assert answer.headers["served-by"] == "logic/v2/logic-pod"


def test_the_attempt_counts(buggy_app):
    """A request that failed first can succeed at the next attempt."""
    client = buggy_app.test_client()
    request_id = next(
        candidate
        for candidate in map(str, range(1000))
        if FAULTS.outcome(candidate, 1) is Outcome.ERROR and FAULTS.outcome(candidate, 2) is Outcome.ANSWERED
    )

    first = ask(client, x_request_id=request_id, x_envoy_attempt_count="1")
    second = ask(client, x_request_id=request_id, x_envoy_attempt_count="2")

    assert (first.status_code, second.status_code) == (500, 200)
    assert second.headers["served-by"] == "logic/v2/logic-pod;attempt=2"


@pytest.mark.parametrize("count", ["", "0", "-1", "two", "1, 2"])
def test_an_invalid_attempt_counts_as_the_first(buggy_app, count):
    """A malformed header is ignored."""
    answer = ask(buggy_app.test_client(), x_request_id=request_id(Outcome.ERROR), x_envoy_attempt_count=count)

    assert answer.json["fault"]["attempt"] == 1


def test_a_request_without_an_id_gets_one_and_its_outcome(buggy_app):
    """The outcome is that of the id in the answer."""
    answer = ask(buggy_app.test_client())

    expected = FAULTS.outcome(answer.headers["x-request-id"], 1)
    assert answer.status_code == (200 if expected is Outcome.ANSWERED else 500)


def test_bad_requests_and_probes_are_exempt(buggy_app):
    """Only valid sentences fail deliberately."""
    client = buggy_app.test_client()
    struck = {"x-request-id": request_id(Outcome.ERROR)}

    statuses = [
        client.get(path, headers=struck).status_code for path in ("/livez", "/readyz", "/about", "/x")
    ]

    assert statuses == [200, 200, 200, 404]
    assert client.post(PATH, json={}, headers=struck).status_code == 422


def test_the_buggy_version_is_marked_in_name_about_and_log(caplog):
    """So that it is not mistaken for a working version."""
    app = create_app(LogicSettings(**BUGGY))

    about = app.test_client().get("/about").json

    assert about["name"] == "logic v2 (deliberately buggy)"
    assert about["faults"] == {
        "deliberate": True,
        "error_percent": 33.0,
        "hang_percent": 32.0,
        "hang_seconds": HANG_SECONDS,
        "seed": "sentimesh",
    }
    assert (
        "services.logic.app",
        logging.WARNING,
        "this version is deliberately buggy",
    ) in caplog.record_tuples


def test_the_working_version_mentions_no_faults(sound, caplog):
    """It has none."""
    about = sound.get("/about").json

    assert (about["name"], about["faults"]) == ("logic v1", {})
    assert "buggy" not in caplog.text


def test_outcomes_are_counted_and_logged(buggy_app, caplog):
    """One counter per outcome, from the start; the log has what proofs compare."""
    caplog.set_level(logging.INFO)
    client = buggy_app.test_client()
    registry = chassis_of(buggy_app).metrics.registry

    def counts() -> list[float | None]:
        name = "sentimesh_logic_requests_total"
        return [registry.get_sample_value(name, {"outcome": outcome.value}) for outcome in Outcome]

    before = counts()
    for outcome in (Outcome.ANSWERED, Outcome.ERROR, Outcome.HANG, Outcome.HANG):
        ask(client, x_request_id=request_id(outcome))

    assert (before, counts()) == ([0, 0, 0], [1, 1, 2])
    noted = [record.fields for record in caplog.records if record.name == "services.request"]
    assert [line["outcome"] for line in noted] == ["answered", "error", "hang", "hang"]
    assert ("polarity" in noted[0], "polarity" in noted[1]) == (True, False)
