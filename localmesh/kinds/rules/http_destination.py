"""Destinations of routes and the headers that they change (istio: validateHTTPRouteDestinations)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_label, is_wildcard_domain
from localmesh.formats.http_headers import value_fault
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

SUBSET_WORDS = "at most 63 letters, digits and -, starting and ending with a letter or digit"


def destinations(route: Field) -> Iterator[Problem]:
    """The destinations of a route, with their weights."""
    total = 0
    for entry in route.items():
        weight = entry.get("weight")
        total += weight.integer or 0
        if (weight.integer or 0) < 0:
            yield weight.problem(invalid.BAD_WEIGHT, expected="a whole number, 0 or more")
        yield from destination(entry.get("destination"))
        yield from header_operations(entry.get("headers"))
    if len(route) > 1 and total == 0:
        yield route.problem(
            invalid.BAD_WEIGHT,
            found=f"{len(route)} destinations whose weights add up to 0",
            expected="at least one weight above 0",
        )


def destination(field: Field) -> Iterator[Problem]:
    """One destination."""
    host = field.get("host")
    if host.text is not None and (host.text == "*" or not is_wildcard_domain(host.text)):
        yield host.problem(
            invalid.BAD_HOST,
            expected="the name of a Service, such as logic or logic.sentimesh.svc.cluster.local",
            remedy="correct the name; the port goes in destination.port.number",
        )
    subset = field.get("subset")
    if subset.text and not is_label(subset.text):
        yield subset.problem(invalid.BAD_NAME, expected=SUBSET_WORDS)
    number = field.get("port", "number")
    yield from port_number(number)
    if field.get("port") and number.value is None:
        yield field.get("port").problem(
            invalid.MISSING_FIELD, name="number", why="", remedy="add the number of the Service's port"
        )


# -- headers -----------------------------------------------------------------------------------------

_HOST = frozenset({":authority", "host"})


def is_host_header(name: str) -> bool:
    """Whether the header carries the requested host."""
    return name.lower() in _HOST


def header_operations(headers: Field) -> Iterator[Problem]:
    """The block `headers` of a route or of one destination."""
    for direction in ("request", "response"):
        operations = headers.get(direction)
        for operation in ("set", "add"):
            for name, value in operations.get(operation).entries():
                # In requests, changing the host is a rewrite of the authority.
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
            expected="a header other than Host, without a leading colon",
            remedy="use rewrite.authority to change the host",
        )
    elif not name:
        yield field.problem(
            invalid.BAD_HEADER,
            found=quoted(name),
            expected="a header name",
            remedy="write the name of the header",
        )


def _value(field: Field) -> Iterator[Problem]:
    fault = value_fault(field.text) if field.text else None
    if fault:
        yield field.problem(
            invalid.BAD_HEADER, expected=f"a header value, but {fault}", remedy="correct the value"
        )
