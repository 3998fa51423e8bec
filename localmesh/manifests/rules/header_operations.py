"""Headers that a route sets, adds and removes (istio: validateHTTPRoute)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.http_headers import value_fault
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_HOST = frozenset({":authority", "host"})


def is_host_header(name: str) -> bool:
    """Whether the header stands for the host that is asked for."""
    return name.lower() in _HOST


def header_operations(headers: Field) -> Iterator[Problem]:
    """The block `headers` of a route or of one destination."""
    for direction in ("request", "response"):
        operations = headers.get(direction)
        for operation in ("set", "add"):
            for name, value in operations.get(operation).entries():
                # The host may be changed on the way in, where it is a rewrite.
                if not (direction == "request" and is_host_header(name)):
                    yield from _name(value, name)
                yield from _value(value)
        for name_field in operations.get("remove").items():
            if name_field.text is not None:
                yield from _name(name_field, name_field.text)


def _name(field: Field, name: str) -> Iterator[Problem]:
    if name.startswith(":") or name.lower() == "host":
        yield field.problem(
            invalid.BAD_HEADER,
            found=quoted(name),
            expected="a header other than Host and those with a leading colon",
            remedy="change the host with rewrite.authority",
        )
    elif not name:
        yield field.problem(
            invalid.BAD_HEADER, found=quoted(name), expected="a header name", remedy="name the header"
        )


def _value(field: Field) -> Iterator[Problem]:
    fault = value_fault(field.text) if field.text else None
    if fault:
        yield field.problem(
            invalid.BAD_HEADER, expected=f"a header value, but {fault}", remedy="correct the value"
        )
