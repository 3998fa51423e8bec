"""What Envoy's CORS filter answers by itself: preflight requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localmesh.explain.explanation import Answer
from localmesh.explain.request import Message
from localmesh.explain.route_tables import string_matches

Json = Mapping[str, Any]

_REQUESTED = "access-control-request-"
_ALLOWED = "access-control-allow-"


def is_preflight(message: Message) -> bool:
    """Whether a browser asks for leave to send another request."""
    headers = message.headers
    return message.method == "OPTIONS" and bool(headers.get("origin") and headers.get(f"{_REQUESTED}method"))


def preflight_answer(policy: Json | None, message: Message) -> Answer | None:
    """The answer to a preflight request; None: the request goes on, as all others do."""
    if policy is None or not is_preflight(message):
        return None
    origin = message.headers["origin"]
    allowed = any(
        matcher.get("exact") == "*" or string_matches(matcher, origin)
        for matcher in policy.get("allowOriginStringMatch") or ()
    )
    if not allowed and policy.get("forwardNotMatchingPreflights", True):
        return None
    headers = {f"{_ALLOWED}origin": origin} if allowed else {}
    if policy.get("allowCredentials"):
        headers[f"{_ALLOWED}credentials"] = "true"
    for name, field in (("methods", "allowMethods"), ("headers", "allowHeaders")):
        asked = message.headers.get(
            f"{_REQUESTED}{name.removesuffix('s') if name == 'methods' else name}", ""
        )
        value = asked if policy.get(field) == "*" else policy.get(field)
        if value:
            headers[f"{_ALLOWED}{name}"] = value
    if policy.get("maxAge"):
        headers["access-control-max-age"] = policy["maxAge"]
    cause = "the CORS policy answers preflight requests"
    if not allowed:
        cause = f"the CORS policy does not allow the origin {origin}, and ignores its preflight requests"
    return Answer(200, cause=cause, headers=headers)
