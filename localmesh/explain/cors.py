"""Envoy's CORS filter: it answers preflights, and adds headers to responses to allowed origins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.explain.explanation import Answer, HeaderChange
from localmesh.explain.request import Message
from localmesh.explain.route_tables import string_matches

Json = Mapping[str, Any]

_ALLOW = "access-control-allow-"
_REQUESTED = {"methods": "access-control-request-method", "headers": "access-control-request-headers"}


def is_preflight(message: Message) -> bool:
    """Whether a browser asks for permission to send another request across origins."""
    headers = message.headers
    return message.method == "OPTIONS" and bool(
        headers.get("origin") and headers.get("access-control-request-method")
    )


def preflight_answer(policy: Json, message: Message) -> Answer | None:
    """The answer to a preflight; None for any other request, and if the application has to answer."""
    if not is_preflight(message) or not (
        _is_allowed(policy, message) or not policy["forwardNotMatchingPreflights"]
    ):
        return None
    headers = dict(_preflight_headers(policy, message))
    return Answer(200, cause="the CORS policy of the route answers preflights", headers=headers)


def cors_changes(policy: Json, message: Message) -> Iterator[HeaderChange]:
    """The headers that are added to the answer to a request from an allowed origin."""
    if not _is_allowed(policy, message):
        return
    yield HeaderChange("response", "set", f"{_ALLOW}origin", message.headers["origin"])
    if policy.get("allowCredentials"):
        yield HeaderChange("response", "set", f"{_ALLOW}credentials", "true")
    if policy.get("exposeHeaders"):
        yield HeaderChange("response", "set", "access-control-expose-headers", policy["exposeHeaders"])


def _is_allowed(policy: Json, message: Message) -> bool:
    origin = message.headers.get("origin")
    return bool(origin) and any(
        matcher.get("exact") == "*" or string_matches(matcher, origin or "")
        for matcher in policy.get("allowOriginStringMatch") or ()
    )


def _preflight_headers(policy: Json, message: Message) -> Iterator[tuple[str, str]]:
    if _is_allowed(policy, message):
        yield f"{_ALLOW}origin", message.headers["origin"]
    if policy.get("allowCredentials"):
        yield f"{_ALLOW}credentials", "true"
    for name, requested in _REQUESTED.items():
        allowed = policy.get(f"allow{name.capitalize()}")
        if allowed:
            yield f"{_ALLOW}{name}", message.headers.get(requested, "") if allowed == "*" else allowed
    if policy.get("maxAge"):
        yield "access-control-max-age", policy["maxAge"]
