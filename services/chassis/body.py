"""What comes in with a request: read once, judged at the door, and refused in a sentence."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import flask
from werkzeug.exceptions import HTTPException

from services.chassis.problem import Problem

MOST_BODY_BYTES = 16 * 1024
MOST_SENTENCE_CHARACTERS = 1000


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# JSON has no NaN and no Infinity, though Python's reader takes them.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def json_object() -> dict[str, Any]:
    """The JSON object that the current request carries; raises the Problem that says what else it carries."""
    mimetype = flask.request.mimetype
    if mimetype != "application/json" and not mimetype.endswith("+json"):
        found = f'"{mimetype}"' if mimetype else "none"
        raise Problem(415, f"The content type is {found}, expected application/json.")
    data = _bytes()
    try:
        value = _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        # Nested too deep to be read is, for our flat objects, as wrong as any other text.
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not readable as UTF-8 JSON"
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
        # A broken chunk or a connection that ends early: the server underneath raises errors of its own.
        raise Problem(400, "The body does not arrive whole.") from None


def sentence(body: dict[str, Any]) -> str:
    """The member `sentence`: text with something in it; raises a Problem with status 422 otherwise."""
    value = _member(body, "sentence")
    if not isinstance(value, str):
        raise Problem(422, f'"sentence" is {_kind(value)}, expected text.')
    if not value.strip():
        raise Problem(422, '"sentence" is empty, expected some words.')
    if len(value) > MOST_SENTENCE_CHARACTERS:
        raise Problem(
            422, f'"sentence" has {len(value):,} characters, expected at most {MOST_SENTENCE_CHARACTERS:,}.'
        )
    # Half a surrogate pair has no UTF-8 form and PostgreSQL stores no NUL: refused here, not failed on there.
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Problem(422, '"sentence" has characters that are not text: NUL or half a surrogate pair.')
    return value


def polarity(body: dict[str, Any]) -> float:
    """The member `polarity`: a number from -1 to 1; raises a Problem with status 422 otherwise."""
    value = _member(body, "polarity")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem(422, f'"polarity" is {_kind(value)}, expected a number from -1 to 1.')
    if not -1 <= value <= 1:
        raise Problem(422, '"polarity" is out of range, expected a number from -1 to 1.')
    return float(value)


def truth(body: dict[str, Any], name: str) -> bool:
    """The member `name`: true or false; raises a Problem with status 422 otherwise."""
    value = _member(body, name)
    if not isinstance(value, bool):
        raise Problem(422, f'"{name}" is {_kind(value)}, expected true or false.')
    return value


def _member(body: dict[str, Any], name: str) -> Any:
    if name not in body:
        raise Problem(422, f'"{name}" is missing.')
    return body[name]


def _kind(value: object) -> str:
    """What a JSON value is, in JSON's own words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]
