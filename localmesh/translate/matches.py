"""A match condition as an Envoy route match.

Istio, "Virtual Service", `HTTPMatchRequest`; istiod: pilot/pkg/networking/core/route/route.go,
`TranslateRouteMatch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.formats.claims import claim_names
from localmesh.translate.claims import claim_matcher

Json = dict[str, Any]
StringMatch = Mapping[str, str] | None

_PSEUDO_HEADERS = (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme"))


def route_match(match: Mapping[str, Any] | None, *, by_segments: bool = False) -> Json:
    """The Envoy match of one `match` entry; None matches every request.

    Header conditions are sorted by name and followed by method, authority and scheme, as in Istio. With
    `by_segments` a prefix stands for whole segments of a path, as in the Gateway API.
    """
    if match is None:
        return {"prefix": "/"}
    wanted, unwanted = match.get("headers") or {}, match.get("withoutHeaders") or {}
    named = [
        *(_header(name, value) for name, value in wanted.items() if not claim_names(name)),
        *(_without_header(name, value) for name, value in unwanted.items() if not claim_names(name)),
    ]
    claims = [
        *(_claim(name, value) for name, value in sorted(wanted.items()) if claim_names(name)),
        *(
            _claim(name, value) | {"invert": True}
            for name, value in sorted(unwanted.items())
            if claim_names(name)
        ),
    ]
    headers = [
        *sorted(named, key=lambda header: str(header["name"])),
        *(_header(header, match[field]) for field, header in _PSEUDO_HEADERS if field in match),
    ]
    parameters = [_header(name, value) for name, value in sorted((match.get("queryParams") or {}).items())]
    return {
        **_path(match.get("uri"), by_segments=by_segments),
        "caseSensitive": not match.get("ignoreUriCase", False),
        **({"headers": headers} if headers else {}),
        **({"queryParameters": parameters} if parameters else {}),
        **({"dynamicMetadata": claims} if claims else {}),
    }


def is_catch_all(match: Mapping[str, Any]) -> bool:
    """Whether an Envoy route match matches every request, so that no later route is reached."""
    every_path = match.get("prefix") == "/" or match.get("safeRegex", {}).get("regex") == ".*"
    return every_path and not any(map(match.get, ("headers", "queryParameters", "dynamicMetadata")))


def string_match(value: Mapping[str, str]) -> Json:
    """An Istio StringMatch as an Envoy StringMatcher."""
    if "regex" in value:
        return {"safeRegex": {"regex": value["regex"]}}
    return dict(value)


def _path(uri: StringMatch, *, by_segments: bool) -> Json:
    if not uri:
        return {"prefix": "/"}
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safeRegex": {"regex": uri["regex"]}}
    if by_segments and uri["prefix"] != "/":
        return {"pathSeparatedPrefix": uri["prefix"].removesuffix("/")}
    return {"prefix": uri["prefix"]}


def _header(name: str, value: StringMatch) -> Json:
    if not value or value.get("regex") == "*":  # for Istio this is not a regex: the header is present
        return {"name": name, "presentMatch": True}
    return {"name": name, "stringMatch": string_match(value)}


def _claim(name: str, value: Mapping[str, str]) -> Json:
    """A claim of a valid token that has a value, or is a list that has it."""
    return claim_matcher(claim_names(name), {"stringMatch": string_match(value)})


def _without_header(name: str, value: StringMatch) -> Json:
    header = _header(name, value)
    # a request without the header does not have the excluded value, so it must match
    missing = {"treatMissingHeaderAsEmpty": True} if "stringMatch" in header else {}
    return {**header, "invertMatch": True, **missing}
