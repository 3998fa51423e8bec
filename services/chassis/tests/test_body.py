"""Request bodies: every body is a valid object or gets a problem with a reason."""

from __future__ import annotations

import io
import json

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.chassis import application, body
from services.chassis.settings import Settings


@pytest.fixture(scope="module")
def client():
    """A service that returns the parsed body."""
    app = application.create("reader", Settings(pod="reader-pod"))

    @app.post("/read")
    def read():
        members = body.json_object()
        return {
            "sentence": body.sentence(members),
            "polarity": body.polarity(members),
            "correct": body.boolean(members, "correct"),
        }

    return app.test_client()


GOOD = {"sentence": "Fine.", "polarity": 0.5, "correct": True}


def send(client, data, content_type="application/json"):
    """The answer to this body."""
    return client.post("/read", data=data, content_type=content_type)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/x+json"]
)
def test_a_good_body_is_read(client, content_type):
    """With every JSON content type."""
    answer = send(client, json.dumps(GOOD), content_type)

    assert (answer.status_code, answer.json) == (200, GOOD)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
def test_another_content_type_is_refused(client, content_type):
    """415, and the detail says what is expected."""
    answer = send(client, json.dumps(GOOD), content_type)

    assert answer.status_code == 415
    assert "expected application/json" in answer.json["detail"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"polarity": NaN}',
        b"1" * 5000,
        json.dumps(GOOD).encode("utf-16"),
    ],
    ids=["empty", "half", "no UTF-8", "nested", "NaN", "long number", "UTF-16"],
)
def test_invalid_json_is_refused(client, data):
    """400 with one sentence, also for input that breaks Python's decoder."""
    answer = send(client, data)

    assert answer.status_code == 400
    assert answer.json["detail"].startswith("The body is not JSON")


def test_a_body_that_is_too_large_is_refused(client):
    """413 from the first byte above the limit."""
    padding = body.MAX_BODY_BYTES - len(json.dumps({**GOOD, "padding": ""}))
    largest = json.dumps({**GOOD, "padding": "x" * padding})

    assert send(client, largest).status_code == 200
    assert send(client, largest + " ").status_code == 413


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([], "an array"),
        ("text", "a string"),
        (None, "null"),
        (True, "a boolean"),
        ({"sentence": None}, '"sentence" is null'),
        ({"sentence": 5}, '"sentence" is a number'),
        ({"sentence": ["x"]}, '"sentence" is an array'),
        ({"sentence": " \n"}, '"sentence" is empty'),
        ({"sentence": "x" * (body.MAX_SENTENCE_CHARACTERS + 1)}, "1,001 characters"),
        ({"sentence": "a\0b"}, "NUL"),
        ({"sentence": "\ud800"}, "surrogate"),
        ({"polarity": "0.5"}, '"polarity" is a string'),
        ({"polarity": True}, '"polarity" is a boolean'),
        ({"polarity": 1.01}, "out of range"),
        ({"polarity": 10**400}, "out of range"),
        ({"correct": "yes"}, '"correct" is a string'),
        ({"correct": 1}, '"correct" is a number'),
        ({"correct": {}}, '"correct" is an object'),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused(client, change, words):
    """422, and the detail names the member and the actual value."""
    answer = send(client, json.dumps({**GOOD, **change} if isinstance(change, dict) else change))

    assert answer.status_code == 422
    assert words in answer.json["detail"]


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_missing_member_is_named(client, missing):
    """422 for each of them."""
    answer = send(client, json.dumps({name: value for name, value in GOOD.items() if name != missing}))

    assert (answer.status_code, answer.json["detail"]) == (422, f'"{missing}" is missing.')


def test_an_incomplete_body_is_refused(client):
    """An early end of the connection and a malformed chunk are client errors."""

    class Broken(io.BytesIO):
        def readinto(self, _):
            raise RuntimeError("the server's own error")

        read = readinto

    answer = client.post("/read", input_stream=Broken(b"12345"), content_type="application/json")

    assert (answer.status_code, answer.json["detail"]) == (400, "The body is incomplete.")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(GOOD)), inner),
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None)
def test_no_body_makes_a_service_fail(client, data):
    """Any bytes and any JSON get a status below 500, and every error is a problem document."""
    answer = send(client, data)

    assert answer.status_code in {200, 400, 422}
    assert answer.content_type == (
        "application/json" if answer.status_code == 200 else "application/problem+json"
    )
    assert flask.json.loads(answer.data)
