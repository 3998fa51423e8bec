"""The common behaviour of every service: identity, errors, metrics and logs."""

from __future__ import annotations

import json
import logging

import flask
import pytest

from services.chassis import application
from services.chassis.logs import JsonFormatter
from services.chassis.problem import Problem
from services.chassis.request_context import current
from services.chassis.settings import Settings

OWN = "sample/v7/sample-pod"


@pytest.fixture
def app() -> flask.Flask:
    """A service with one working route and some that fail."""
    app = application.create("sample", Settings(version="v7", pod="sample-pod"), faults={"odds": 5})
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/things/<name>")
    def thing(name):
        current().note(flavour="sweet")
        return {"name": name}

    @app.get("/problem")
    def problem():
        raise Problem(409, "It is taken.", owner="somebody")

    @app.get("/bug")
    def bug():
        raise ZeroDivisionError("secret detail")

    return app


@pytest.fixture
def client(app: flask.Flask):
    """A test client of the service."""
    return app.test_client()


def sample(app: flask.Flask, name: str, **labels: str) -> float | None:
    """The value of a metric."""
    return application.chassis_of(app).metrics.registry.get_sample_value(name, labels)


def test_livez_and_readyz_answer(client):
    """Liveness and readiness are separate."""
    assert client.get("/livez").json == {"status": "alive"}
    assert client.get("/readyz").json == {"status": "ready"}


def test_about_contains_the_identity_and_the_deliberate_faults(client):
    """The name of a service with deliberate faults says so, too."""
    about = client.get("/about", headers={"X-Greeting": "hello"}).json

    assert about.pop("headers")["x-greeting"] == "hello"
    assert about == {
        "service": "sample",
        "version": "v7",
        "pod": "sample-pod",
        "name": "sample v7 (deliberately buggy)",
        "faults": {"odds": 5},
    }


def test_about_of_a_service_without_faults_has_none():
    """The default is no faults."""
    about = application.create("sound", Settings(pod="p")).test_client().get("/about").json

    assert (about["name"], about["faults"]) == ("sound v1", {})


def test_a_service_is_not_ready_while_something_is_missing(app, client):
    """503 with the reason; liveness is not affected."""
    reasons = ["The database is away."]
    application.chassis_of(app).readiness.checks.append(lambda: reasons[0])

    missing = client.get("/readyz")
    reasons[0] = None

    assert (missing.status_code, missing.json["detail"]) == (503, "The database is away.")
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_a_service_that_stops_is_not_ready(app, client):
    """Readiness fails first, so that traffic goes to other pods."""
    application.chassis_of(app).readiness.stopping = True

    assert client.get("/readyz").status_code == 503
    assert client.get("/things/a").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/things/a", 200),
        ("HEAD", "/things/a", 200),
        ("OPTIONS", "/things/a", 200),
        ("GET", "/livez", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/things/a", 405),
        ("BREW", "/things/a", 405),
        ("GET", "/problem", 409),
        ("GET", "/bug", 500),
    ],
)
def test_every_answer_names_its_workload(client, method, path, status):
    """`served-by` and the request id, for every status; an error is a problem document."""
    headers = {"x-request-id": "request-1", "x-envoy-attempt-count": "3"}

    answer = client.open(path, method=method, headers=headers)

    assert answer.status_code == status
    assert answer.headers["served-by"] == f"{OWN};attempt=3"
    assert answer.headers["x-request-id"] == "request-1"
    if status >= 400:
        assert answer.content_type == "application/problem+json"
        assert answer.json["status"] == status
        assert answer.json["service"] == "sample"
        assert answer.json["request_id"] == "request-1"


def test_a_problem_carries_what_it_was_raised_with(client):
    """Status, title, detail and further members."""
    answer = client.get("/problem").json

    assert {name: answer[name] for name in ("type", "title", "status", "detail", "owner")} == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "It is taken.",
        "owner": "somebody",
    }


def test_a_wrong_method_gets_the_allowed_ones(client):
    """405 keeps its header Allow."""
    assert set(client.post("/things/a").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_a_bug_does_not_leak_details(client, caplog):
    """The caller gets a problem document, the log the traceback."""
    answer = client.get("/bug")

    assert b"secret detail" not in answer.data
    assert b"Traceback" not in answer.data
    assert "ZeroDivisionError: secret detail" in caplog.text


def test_answers_are_counted_by_method_route_and_status(app, client):
    """By route and not by path, which would make an unlimited number of counters."""
    client.get("/things/a")
    client.get("/things/b")
    client.get("/bug")

    requests = "sentimesh_http_requests_total"
    assert sample(app, requests, method="GET", route="/things/<name>", status="200") == 2
    assert sample(app, requests, method="GET", route="/bug", status="500") == 1
    durations = "sentimesh_http_request_duration_seconds_count"
    assert sample(app, durations, method="GET", route="/things/<name>") == 2


def test_the_number_of_labels_is_limited(app, client):
    """Unknown paths share a route label, unknown methods a method label."""
    for path in ("/x", "/y", "/z/z"):
        client.open(path, method="BREW")

    assert sample(app, "sentimesh_http_requests_total", method="other", route="unmatched", status="404") == 3


def test_requests_in_progress_are_counted(app, client):
    """The gauge rises during a request and falls afterwards, also after an error."""
    seen = []
    chassis = application.chassis_of(app)
    chassis.readiness.checks.append(lambda: seen.append(chassis.metrics.in_flight._value.get()))

    client.get("/readyz")
    client.get("/bug")

    assert (seen, sample(app, "sentimesh_http_requests_in_flight")) == ([1.0], 0.0)


def test_the_metrics_name_the_workload(app):
    """So that other metrics can be joined with it."""
    labels = {"service": "sample", "version": "v7", "pod": "sample-pod"}

    assert sample(app, "sentimesh_service_info", **labels) == 1


def lines(caplog) -> list[dict[str, object]]:
    """The log lines about requests, as written."""
    formatter = JsonFormatter()
    return [
        json.loads(formatter.format(record)) for record in caplog.records if record.name == "services.request"
    ]


def test_the_log_has_one_line_for_each_request(client, caplog):
    """With everything needed to find it, and the notes of the handler."""
    caplog.set_level(logging.INFO)

    client.get("/things/a", headers={"x-request-id": "request-1", "x-b3-traceid": "abc"})

    (line,) = lines(caplog)
    assert line.pop("time").endswith("Z")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "level": "info",
        "logger": "services.request",
        "service": "sample",
        "version": "v7",
        "pod": "sample-pod",
        "name": "sample v7 (deliberately buggy)",
        "message": "request",
        "method": "GET",
        "route": "/things/<name>",
        "status": 200,
        "request_id": "request-1",
        "trace_id": "abc",
        "caller": None,
        "served_by": OWN,
        "flavour": "sweet",
    }


def test_the_log_has_the_path_only_without_a_route(client, caplog):
    """Otherwise the route is enough."""
    caplog.set_level(logging.INFO)

    client.get("/nowhere")

    (line,) = lines(caplog)
    assert (line["route"], line["path"], line["status"]) == ("unmatched", "/nowhere", 404)


def test_probes_are_logged_at_debug_only(client, caplog):
    """They arrive every few seconds."""
    caplog.set_level(logging.INFO)
    for path in ("/livez", "/readyz", "/about"):
        client.get(path)
    quiet = lines(caplog)

    caplog.set_level(logging.DEBUG)
    client.get("/livez")

    assert (quiet, [line["route"] for line in lines(caplog)]) == ([], ["/livez"])


def test_an_exception_is_part_of_its_log_line():
    """A traceback is a member of the JSON object."""
    try:
        raise ValueError("two\nlines")
    except ValueError:
        import sys

        record = logging.makeLogRecord({"msg": "it %s", "args": ("broke",), "exc_info": sys.exc_info()})

    line = JsonFormatter().format(record)

    assert "\n" not in line
    assert json.loads(line)["message"] == "it broke"
    assert "ValueError: two" in json.loads(line)["exception"]
