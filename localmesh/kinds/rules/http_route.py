"""What Istio requires of an HTTP route (istio: pkg/config/validation/virtualservice.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from localmesh.formats.durations import nanoseconds
from localmesh.formats.grpc import GRPC_STATUSES
from localmesh.formats.http_headers import is_header_name
from localmesh.kinds.rules.http_destination import destination, destinations, header_operations
from localmesh.kinds.rules.http_match import match, regex
from localmesh.kinds.rules.http_retries import retries
from localmesh.kinds.rules.http_rewrite import host_set_once, prefix_redirect, redirect, rewrite
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_ACTIONS = ("route", "redirect", "directResponse")
_WITH_ROUTE_ONLY = ("fault", "rewrite")
_LARGEST_BODY = 1024 * 1024


def http_route(route: Field, *, is_delegate: bool) -> Iterator[Problem]:
    """One HTTP route is valid; routes of a delegate may not delegate in turn."""
    if is_delegate and route.get("delegate"):
        yield route.get("delegate").problem(
            invalid.BAD_DELEGATE,
            found="a delegate with a route that delegates",
            expected="a route, a redirect or a directResponse",
            remedy="add a route here, or add spec.hosts to make this a root VirtualService",
        )
    yield from _action(route)
    for name, block in route.entries():
        if block and name in _BLOCKS:
            yield from _BLOCKS[name](block)
    yield from prefix_redirect(route)
    yield from host_set_once(route)
    if route.get("mirror") and len(route.get("mirrors")):
        both = "mirror and mirrors"
        yield route.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)


def _action(route: Field) -> Iterator[Problem]:
    if route.get("delegate"):
        yield from _root_action(route)
        return
    present = [action for action in _ACTIONS if _is_set(route, action)]
    if not present:
        yield route.problem(
            invalid.ROUTE_ACTION,
            found="the route has no action",
            expected="one of route, redirect, directResponse and delegate",
            remedy="add route with a destination",
        )
    elif len(present) > 1:
        yield route.problem(
            invalid.ROUTE_ACTION,
            found=f"the route has {listed(present)}",
            expected="one of them",
            remedy=f"remove {listed(present[1:])}, or split it into two routes",
        )
    elif present[0] != "route":
        for extra in _WITH_ROUTE_ONLY:
            if route.get(extra):
                yield route.get(extra).problem(
                    invalid.ROUTE_ACTION,
                    found=f"the route has {extra} and {present[0]}",
                    expected=f"{extra} only with route",
                    remedy=f"remove {extra}",
                )


def _is_set(route: Field, action: str) -> bool:
    # An empty list of destinations counts as none.
    return bool(len(route.get("route"))) if action == "route" else bool(route.get(action))


def _root_action(route: Field) -> Iterator[Problem]:
    for action in ("redirect", "route"):
        if _is_set(route, action):
            yield route.get(action).problem(
                invalid.ROUTE_ACTION,
                found=f"the route has delegate and {action}",
                expected="only delegate",
                remedy=f"move {action} into the delegate",
            )


def _direct_response(response: Field) -> Iterator[Problem]:
    yield from status(response.get("status"))
    for kind in ("string", "bytes"):
        body = response.get("body", kind)
        if len((body.text or "").encode(errors="replace")) > _LARGEST_BODY:
            yield body.problem(
                invalid.OUT_OF_RANGE, expected="at most 1 MiB", remedy="serve larger bodies from a workload"
            )


def _matches(matches: Field) -> Iterator[Problem]:
    for entry in matches.items():
        yield from match(entry)


def _mirrors(mirrors: Field) -> Iterator[Problem]:
    for mirror in mirrors.items():
        yield from destination(mirror.get("destination"))
        yield from percentage(mirror.get("percentage", "value"), least=0)


def _mirror_percentage(block: Field) -> Iterator[Problem]:
    yield from percentage(block.get("value"), least=0)


def _mirror_percent(percent: Field) -> Iterator[Problem]:
    yield from percentage(percent, least=0)


# -- faults ------------------------------------------------------------------------------------------

SMALLEST = 0.0001
"""In percent: Envoy counts in millionths."""


def fault(field: Field) -> Iterator[Problem]:
    """The faults of a route are valid."""
    abort, delay = field.get("abort"), field.get("delay")
    if not abort and not delay:
        yield field.problem(invalid.EMPTY_BLOCK, expected="abort and delay")
    yield from percentage(abort.get("percentage", "value"))
    yield from percentage(delay.get("percentage", "value"))
    yield from status(abort.get("httpStatus"))
    grpc = abort.get("grpcStatus")
    if grpc.text is not None and grpc.text not in GRPC_STATUSES:
        yield grpc.problem(
            invalid.NOT_IN_SET, expected=listed(GRPC_STATUSES, "or"), remedy="write one of these"
        )
    for unknown, remedy in (
        (abort.get("http2Error"), "write httpStatus or grpcStatus"),
        (delay.get("exponentialDelay"), "write fixedDelay"),
    ):
        if unknown:
            yield unknown.problem(invalid.BAD_FAULT, expected="a fault that Istio supports", remedy=remedy)


def percentage(value: Field, least: float = SMALLEST) -> Iterator[Problem]:
    """A percentage; a value above 0 must not be below `least`."""
    if value.number is None:
        return
    if not 0 <= value.number <= 100 or 0 < value.number < least:
        expected = f"0, or a number from {least:.4f} to 100" if least else "a number from 0 to 100"
        yield value.problem(invalid.BAD_PERCENTAGE, expected=expected)


def status(code: Field) -> Iterator[Problem]:
    """The status of a response; Istio accepts 600, which is not a status code and which Envoy rejects."""
    if code.integer is not None and not 200 <= code.integer <= 599:
        yield code.problem(invalid.BAD_STATUS, expected="a number from 200 to 599")


# -- CORS --------------------------------------------------------------------------------------------

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "*")
_SECOND = 1_000_000_000


def cors(field: Field) -> Iterator[Problem]:
    """The CORS policy of a route is valid."""
    for origin in field.get("allowOrigins").items():
        yield from _origin(origin)
    for method in field.get("allowMethods").items():
        if method.text is not None and method.text not in _METHODS:
            yield method.problem(
                invalid.BAD_CORS, expected=listed(_METHODS, "or"), remedy="write the method in upper case"
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


_BLOCKS: Mapping[str, Callable[[Field], Iterator[Problem]]] = {
    "corsPolicy": cors,
    "directResponse": _direct_response,
    "fault": fault,
    "headers": header_operations,
    "match": _matches,
    "mirror": destination,
    "mirrorPercent": _mirror_percent,
    "mirrorPercentage": _mirror_percentage,
    "mirrors": _mirrors,
    "redirect": redirect,
    "retries": retries,
    "rewrite": rewrite,
    "route": destinations,
}
"""The rules of each block of a route, called only for blocks that are present: most routes have few."""
