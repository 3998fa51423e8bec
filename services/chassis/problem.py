"""Problem answers: every error is sent as `application/problem+json` (RFC 9457), never as a stack trace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import flask
from werkzeug.exceptions import HTTPException, InternalServerError

from services.chassis import request_context

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Ends the current request with an error: status, detail and further members of the problem."""

    def __init__(self, status: int, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.members = members


def title(status: int) -> str:
    """The reason phrase of a status, such as "Bad Gateway"."""
    return HTTPStatus(status).phrase


def document(status: int, detail: str, members: Mapping[str, object] | None = None) -> str:
    """The body of a problem answer, with the reason phrase as its title."""
    standard = {"type": "about:blank", "title": title(status), "status": status, "detail": detail}
    return json.dumps({**standard, **(members or {})})


def install(app: flask.Flask, service: str) -> None:
    """Make `app` answer every error with a problem that names the service and the request."""

    def answer(status: int, detail: str, members: Mapping[str, object]) -> flask.Response:
        context = request_context.current_or_none()
        request_id = context.request_id if context else None
        body = document(status, detail, {"service": service, "request_id": request_id, **members})
        return flask.Response(body, status, content_type=MEDIA_TYPE)

    def from_problem(error: Problem) -> flask.Response:
        return answer(error.status, error.detail, error.members)

    def from_http_exception(error: HTTPException) -> Any:
        response = error.get_response()
        if error.code is None or error.code < 400:
            return response
        own = answer(error.code, error.description or HTTPStatus(error.code).description, {})
        # Keep the headers that the status requires, such as Allow with a 405.
        for name, value in response.headers:
            if name.lower() not in {"content-type", "content-length"}:
                own.headers[name] = value
        return own

    def from_bug(_: InternalServerError) -> flask.Response:
        return answer(500, "The service failed on this request; its log says why.", {})

    app.register_error_handler(Problem, from_problem)
    app.register_error_handler(HTTPException, from_http_exception)
    app.register_error_handler(InternalServerError, from_bug)
