"""What Envoy's CORS filter does: it answers preflight requests, and adds headers to other responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localmesh.explain.explanation import Answer, HeaderChange
from localmesh.explain.request import Message
from localmesh.explain.string_matchers import string_matches

Json = Mapping[str, Any]

_REQUESTED = "access-control-request-"
_ALLOWED = "access-control-allow-"
_LISTS = (("methods", "allowMethods", "method"), ("headers", "allowHeaders", "headers"))
"""Lists of a policy by the header that has them, each with the one that asks for it."""


def is_preflight(message: Message) -> bool:
    """Whether a browser asks for leave to send another request."""
    headers = message.headers
    return message.method == "OPTIONS" and bool(headers.get("origin") and headers.get(f"{_REQUESTED}method"))


def preflight_answer(policy: Json | None, message: Message) -> Answer | None:
    """The answer to a preflight request; None: the request goes on, as all others do."""
    if policy is None or not is_preflight(message):
        return None
    origin = message.headers["origin"]
    allowed = _allows(policy, origin)
    if not allowed and policy.get("forwardNotMatchingPreflights", True):
        return None
    headers = {f"{_ALLOWED}origin": origin} if allowed else {}
    if policy.get("allowCredentials"):
        headers[f"{_ALLOWED}credentials"] = "true"
    for name, field, requested in _LISTS:
        asked = message.headers.get(f"{_REQUESTED}{requested}", "")
        value = asked if policy.get(field) == "*" else policy.get(field)
        if value:
            headers[f"{_ALLOWED}{name}"] = value
    if policy.get("maxAge"):
        headers["access-control-max-age"] = policy["maxAge"]
    cause = "the CORS policy answers preflight requests"
    if not allowed:
        cause = f"the CORS policy does not allow the origin {origin}, and ignores its preflight requests"
    return Answer(200, cause=cause, headers=headers)


def cors_changes(policy: Json | None, message: Message) -> Iterator[HeaderChange]:
    """The headers that are added to the response to a request from an allowed origin."""
    origin = message.headers.get("origin")
    if policy is None or not origin or not _allows(policy, origin):
        return
    yield HeaderChange("response", "set", f"{_ALLOWED}origin", origin)
    if policy.get("allowCredentials"):
        yield HeaderChange("response", "set", f"{_ALLOWED}credentials", "true")
    if policy.get("exposeHeaders"):
        yield HeaderChange("response", "set", "access-control-expose-headers", policy["exposeHeaders"])


def _allows(policy: Json, origin: str) -> bool:
    return any(
        matcher.get("exact") == "*" or string_matches(matcher, origin)
        for matcher in policy.get("allowOriginStringMatch") or ()
    )
