"""A match condition as an Envoy route match (Istio, "Virtual Service", `HTTPMatchRequest`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
StringMatch = Mapping[str, str] | None

_PSEUDO_HEADERS = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))


def route_match(match: Mapping[str, Any] | None) -> Json:
    """The Envoy match of one `match` entry; None means every request.

    Header conditions are sorted by name, then come method, authority and scheme, as Istio writes them.
    """
    if match is None:
        return {"prefix": "/"}
    out = _path(match.get("uri"))
    out["caseSensitive"] = not match.get("ignoreUriCase", False)
    headers = [_header(name, value) for name, value in (match.get("headers") or {}).items()]
    headers += [_without_header(name, value) for name, value in (match.get("withoutHeaders") or {}).items()]
    headers.sort(key=lambda header: str(header["name"]))
    headers += [_header(header, match[field]) for field, header in _PSEUDO_HEADERS if field in match]
    if headers:
        out["headers"] = headers
    parameters = sorted((match.get("queryParams") or {}).items())
    if parameters:
        out["queryParameters"] = [_header(name, value) for name, value in parameters]
    return out


def is_catch_all(match: Mapping[str, Any]) -> bool:
    """Whether an Envoy route match takes every request, so that no route after it is reached."""
    every_path = match.get("prefix") == "/" or match.get("safeRegex", {}).get("regex") == ".*"
    return every_path and not match.get("headers") and not match.get("queryParameters")


def string_match(value: Mapping[str, str]) -> Json:
    """An Istio StringMatch as an Envoy StringMatcher."""
    if "regex" in value:
        return {"safeRegex": {"regex": value["regex"]}}
    return dict(value)


def _path(uri: StringMatch) -> Json:
    if not uri:
        return {"prefix": "/"}
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safeRegex": {"regex": uri["regex"]}}
    return {"prefix": uri["prefix"]}


def _header(name: str, value: StringMatch) -> Json:
    if not value or value.get("regex") == "*":  # that star is no regex but Istio's word for presence
        return {"name": name, "presentMatch": True}
    return {"name": name, "stringMatch": string_match(value)}


def _without_header(name: str, value: StringMatch) -> Json:
    header = {**_header(name, value), "invertMatch": True}
    if "stringMatch" in header:
        # a request without the header does not have the forbidden value, so it must match
        header["treatMissingHeaderAsEmpty"] = True
    return header
