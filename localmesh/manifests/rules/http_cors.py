"""Cross-origin requests (istio: validateCORSPolicy)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.durations import nanoseconds
from localmesh.formats.http_headers import is_header_name
from localmesh.manifests.rules.http_match import regex
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "*")
_SECOND = 1_000_000_000


def cors(field: Field) -> Iterator[Problem]:
    """The CORS policy of a route."""
    for origin in field.get("allowOrigins").items():
        yield from _origin(origin)
    for method in field.get("allowMethods").items():
        if method.text is not None and method.text not in _METHODS:
            yield method.problem(
                invalid.BAD_CORS, expected=listed(_METHODS, "or"), remedy="write the method in capitals"
            )
    for block in ("allowHeaders", "exposeHeaders"):
        for name in field.get(block).items():
            if name.text is not None and name.text != "*" and not is_header_name(name.text):
                yield name.problem(invalid.BAD_CORS, expected="a header name or *", remedy="correct the name")
    age = field.get("maxAge")
    length = nanoseconds(age.text) if age.text else None
    if length is not None and length % _SECOND:
        yield age.problem(
            invalid.BAD_CORS, expected="a duration of whole seconds", remedy="round it, for example to 1s"
        )


def _origin(origin: Field) -> Iterator[Problem]:
    if not any(value.text for _, value in origin.entries()):
        yield origin.problem(
            invalid.BAD_CORS,
            found="an empty origin",
            expected="one of exact, prefix and regex",
            remedy="write for example exact: https://example.com",
        )
    elif origin.get("regex"):
        yield from regex(origin.get("regex"))
