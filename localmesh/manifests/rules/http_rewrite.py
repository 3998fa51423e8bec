"""Rewrites (istio: validateHTTPRewrite, validateAuthorityRewrite)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.manifests.rules.header_operations import is_host_header
from localmesh.manifests.rules.http_match import regex
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def rewrite(field: Field) -> Iterator[Problem]:
    """The rewrite of a route."""
    by_regex = field.get("uriRegexRewrite")
    if field.get("uri").text and by_regex:
        yield field.problem(
            invalid.EXCLUSIVE_FIELDS, found="uri and uriRegexRewrite", expected="uri and uriRegexRewrite"
        )
    if not (field.get("uri").text or by_regex or field.get("authority").text):
        yield field.problem(invalid.EMPTY_BLOCK, expected="uri, uriRegexRewrite and authority")
    if by_regex:
        yield from _by_regex(by_regex)


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
    """The host may be set once, by the rewrite or by a header."""
    request = route.get("headers", "request")
    settings = [route.get("rewrite", "authority")]
    for operation in ("set", "add"):
        settings.extend(field for name, field in request.get(operation).entries() if is_host_header(name))
    written = [field for field in settings if field.text]
    for field in written[1:]:
        yield field.problem(
            invalid.BAD_REWRITE,
            expected=f"the host to be set once, and {written[0].path} sets it",
            remedy="keep rewrite.authority",
        )
