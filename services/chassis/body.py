"""Request bodies: parsed and validated before anything else, and rejected with one sentence."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import flask
from werkzeug.exceptions import HTTPException

from services.chassis.problem import Problem

MAX_BODY_BYTES = 16 * 1024
MAX_SENTENCE_CHARACTERS = 1000


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# JSON has no NaN and no Infinity, but Python's decoder accepts them.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def json_object() -> dict[str, Any]:
    """Returns the JSON object in the body of the current request; raises a Problem for any other body."""
    mimetype = flask.request.mimetype
    if mimetype != "application/json" and not mimetype.endswith("+json"):
        actual = f'"{mimetype}"' if mimetype else "missing"
        raise Problem(415, f"The content type is {actual}, expected application/json.")
    data = _bytes()
    try:
        value = _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        # A RecursionError means deep nesting; our objects are flat, so that is as wrong as any other text.
        reason = (
            error.msg if isinstance(error, json.JSONDecodeError) else "not valid UTF-8 or nested too deeply"
        )
        raise Problem(400, f"The body is not JSON: {reason}.") from None
    if not isinstance(value, dict):
        raise Problem(422, f"The body is {_kind(value)}, expected a JSON object.")
    return value


def _bytes() -> bytes:
    try:
        return flask.request.get_data(cache=False)
    except HTTPException:
        raise
    except Exception:
        # A malformed chunk or an early end of the connection: gunicorn raises its own exceptions.
        raise Problem(400, "The body is incomplete.") from None


def sentence(body: dict[str, Any]) -> str:
    """Returns the member `sentence`, a non-empty string; raises a Problem with status 422 otherwise."""
    value = _member(body, "sentence")
    if not isinstance(value, str):
        raise Problem(422, f'"sentence" is {_kind(value)}, expected a string.')
    if not value.strip():
        raise Problem(422, '"sentence" is empty, expected some words.')
    if len(value) > MAX_SENTENCE_CHARACTERS:
        raise Problem(
            422, f'"sentence" has {len(value):,} characters; the limit is {MAX_SENTENCE_CHARACTERS:,}.'
        )
    # A lone surrogate has no UTF-8 form, and PostgreSQL stores no NUL: reject both before they reach it.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Problem(422, '"sentence" contains NUL or a lone surrogate; remove that character.')
    return value


def polarity(body: dict[str, Any]) -> float:
    """Returns the member `polarity`, a number from -1 to 1; raises a Problem with status 422 otherwise."""
    value = _member(body, "polarity")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem(422, f'"polarity" is {_kind(value)}, expected a number from -1 to 1.')
    if not -1 <= value <= 1:
        raise Problem(422, '"polarity" is out of range, expected a number from -1 to 1.')
    return float(value)


def boolean(body: dict[str, Any], name: str) -> bool:
    """Returns the member `name`, true or false; raises a Problem with status 422 otherwise."""
    value = _member(body, name)
    if not isinstance(value, bool):
        raise Problem(422, f'"{name}" is {_kind(value)}, expected true or false.')
    return value


def _member(body: dict[str, Any], name: str) -> Any:
    if name not in body:
        raise Problem(422, f'"{name}" is missing.')
    return body[name]


def _kind(value: object) -> str:
    """The JSON type of a value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a string", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names[type(value)]
