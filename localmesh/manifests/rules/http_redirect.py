"""Redirects (istio: validateHTTPRedirect)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.manifests.rules.ports import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

CODES = (301, 302, 303, 307, 308)
"""What Envoy can send. Istio accepts all of 3xx, and Envoy then refuses the whole route configuration."""

_CHANGES = ("uri", "prefixRewrite", "authority", "port", "derivePort", "scheme")


def redirect(field: Field) -> Iterator[Problem]:
    """The redirect of a route."""
    if not any(field.get(name).value not in (None, "") for name in _CHANGES):
        yield field.problem(
            invalid.BAD_REDIRECT,
            found="a redirect to the same place",
            expected="a change of uri, authority, scheme or port",
            remedy="add redirect.uri or redirect.authority",
        )
    if field.get("uri").text and field.get("prefixRewrite").text:
        yield field.problem(
            invalid.EXCLUSIVE_FIELDS, found="uri and prefixRewrite", expected="uri and prefixRewrite"
        )
    yield from _code_and_scheme(field)
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
    """A redirect that replaces the prefix of the path needs one to replace."""
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
