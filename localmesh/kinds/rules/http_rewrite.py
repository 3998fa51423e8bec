"""Rewrites and redirects (istio: validateHTTPRewrite, validateAuthorityRewrite, validateHTTPRedirect)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.rules.http_destination import is_host_header
from localmesh.kinds.rules.http_match import regex
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field
from localmesh.problems.problem import Code


def rewrite(field: Field) -> Iterator[Problem]:
    """The rewrite of a route is valid."""
    by_regex = field.get("uriRegexRewrite")
    if field.get("uri").text and by_regex:
        yield field.problem(
            invalid.EXCLUSIVE_FIELDS, found="uri and uriRegexRewrite", expected="uri and uriRegexRewrite"
        )
    if not (field.get("uri").text or by_regex or field.get("authority").text):
        yield field.problem(invalid.EMPTY_BLOCK, expected="uri, uriRegexRewrite and authority")
    if by_regex:
        yield from _by_regex(by_regex)
    yield from _in_one_line(field, invalid.BAD_REWRITE, "uri", "authority")


def _in_one_line(field: Field, code: Code, *names: str) -> Iterator[Problem]:
    """Istio accepts any text, and Envoy then rejects the whole route configuration."""
    for value in map(field.get, names):
        if set(value.text or "") & set("\0\r\n"):
            yield value.problem(
                code, expected="text without line breaks and NUL", remedy="remove these characters"
            )


def _by_regex(field: Field) -> Iterator[Problem]:
    for name in ("match", "rewrite"):
        if not field.get(name).text:
            yield field.problem(
                invalid.BAD_REWRITE,
                found=f"no {name}",
                expected="match and rewrite",
                remedy=f"add uriRegexRewrite.{name}",
            )
    if field.get("match").text:
        yield from regex(field.get("match"))


def host_set_once(route: Field) -> Iterator[Problem]:
    """The host is set only once, by the rewrite or by a header."""
    request = route.get("headers", "request")
    settings = [route.get("rewrite", "authority")]
    for operation in ("set", "add"):
        settings.extend(field for name, field in request.get(operation).entries() if is_host_header(name))
    written = [field for field in settings if field.text]
    for field in written[1:]:
        yield field.problem(
            invalid.BAD_REWRITE,
            expected=f"the host to be set only once; {written[0].path} already sets it",
            remedy="keep rewrite.authority",
        )


# -- redirects ---------------------------------------------------------------------------------------

CODES = (301, 302, 303, 307, 308)
"""The status codes that Envoy can send. Istio accepts every 3xx, and Envoy then rejects the whole route
configuration."""

_CHANGES = ("uri", "prefixRewrite", "authority", "port", "derivePort", "scheme")


def redirect(field: Field) -> Iterator[Problem]:
    """The redirect of a route is valid."""
    if not any(field.get(name).value not in (None, "") for name in _CHANGES):
        yield field.problem(
            invalid.BAD_REDIRECT,
            found="a redirect to the same URL",
            expected="a change of uri, authority, scheme or port",
            remedy="add redirect.uri or redirect.authority",
        )
    if field.get("uri").text and field.get("prefixRewrite").text:
        yield field.problem(
            invalid.EXCLUSIVE_FIELDS, found="uri and prefixRewrite", expected="uri and prefixRewrite"
        )
    yield from _code_and_scheme(field)
    yield from _in_one_line(field, invalid.BAD_REDIRECT, "uri", "prefixRewrite", "authority")
    if field.get("port").integer != 0:
        yield from port_number(field.get("port"))


def _code_and_scheme(field: Field) -> Iterator[Problem]:
    code = field.get("redirectCode")
    if code.integer and code.integer not in CODES:
        expected = "301, 302, 303, 307 or 308"
        yield code.problem(invalid.BAD_REDIRECT, expected=expected, remedy="write one of these")
    scheme = field.get("scheme")
    if scheme.text and scheme.text not in {"http", "https"}:
        yield scheme.problem(invalid.BAD_REDIRECT, expected="http or https", remedy="write one of these")


def prefix_redirect(route: Field) -> Iterator[Problem]:
    """A redirect that rewrites the prefix requires matches by prefix."""
    if not route.get("redirect", "prefixRewrite").text:
        return
    for match in route.get("match").items():
        uri = match.get("uri")
        if uri and not uri.get("prefix"):
            yield uri.problem(
                invalid.BAD_REDIRECT,
                expected="a prefix, because the redirect rewrites the prefix",
                remedy="match by prefix, or redirect to a uri",
            )
