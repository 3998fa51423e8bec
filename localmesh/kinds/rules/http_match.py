"""Matches of HTTP routes (istio: validateHTTPRouteMatchRequest)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.claims import claim_names
from localmesh.formats.hostnames import is_label
from localmesh.formats.http_headers import PSEUDO_HEADERS, is_header_name
from localmesh.formats.regexes import regex_fault
from localmesh.kinds.rules.istio import selector_labels
from localmesh.kinds.rules.metadata import LABEL_WORDS
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted


def match(field: Field) -> Iterator[Problem]:
    """One entry of `match`."""
    yield from regex(field.get("uri", "regex"))
    for name in ("scheme", "method", "authority"):
        yield from _string_match(field.get(name))
    for name, condition in field.get("queryParams").entries():
        if not name:  # Istio accepts it, and then Envoy rejects all routes of the port
            yield condition.problem(invalid.BAD_MATCH, found="a parameter without a name", expected="a name")
        yield from _string_match(condition)
    for name, condition in field.get("headers").entries():
        yield from _header_name(condition, name)
        yield from _string_match(condition)
    for name, condition in field.get("withoutHeaders").entries():
        yield from _header_name(condition, name)
        # Here the regex "*" means that the header is present; everywhere else it is invalid.
        if condition.get("regex").text != "*":
            yield from _string_match(condition)
    port = field.get("port")
    if port.integer != 0:
        yield from port_number(port)
    yield from selector_labels(field.get("sourceLabels"))
    namespace = field.get("sourceNamespace")
    if namespace.text and not is_label(namespace.text):
        yield namespace.problem(invalid.BAD_NAME, expected=LABEL_WORDS)


def regex(field: Field) -> Iterator[Problem]:
    """A regular expression, if there is one, is valid."""
    if field.text is None:
        return
    reason = regex_fault(field.text)
    if reason:
        remedy = 'write ".*" to match everything' if field.text in {"*", ""} else "correct it"
        yield field.problem(invalid.BAD_REGEX, reason=reason, remedy=remedy)


def _string_match(field: Field) -> Iterator[Problem]:
    yield from regex(field.get("regex"))
    prefix = field.get("prefix")
    if prefix.text == "":
        yield prefix.problem(
            invalid.BAD_MATCH, found="an empty prefix", expected="a prefix that is not empty"
        )


def _header_name(field: Field, name: str) -> Iterator[Problem]:
    if name not in PSEUDO_HEADERS and not claim_names(name) and not is_header_name(name):
        yield field.problem(
            invalid.BAD_HEADER,
            found=quoted(name),
            expected="a header name: letters, digits and -, without spaces",
            remedy="correct the name",
        )
