"""The claims of a valid token, as policies and routes match them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localmesh.explain.string_matchers import string_matches

Json = Mapping[str, Any]


def claim_at(claims: Json | None, names: Sequence[str]) -> Any:
    """The value of a claim, nested if there are several names; None: there is none."""
    value: Any = claims
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def claim_names_of(matcher: Json) -> list[str]:
    """The names that lead to the claim of a matcher of Envoy for metadata."""
    return [key["key"] for key in matcher["path"][1:]]


def claims_match(matcher: Json, claims: Json | None) -> bool:
    """Whether a matcher of Envoy for metadata holds for these claims."""
    return _value_matches(matcher["value"], claim_at(claims, claim_names_of(matcher)))


def _value_matches(matcher: Json, value: Any) -> bool:
    if "orMatch" in matcher:
        return any(_value_matches(each, value) for each in matcher["orMatch"]["valueMatchers"])
    if "listMatch" in matcher:
        return isinstance(value, list) and any(
            _value_matches(matcher["listMatch"]["oneOf"], element) for element in value
        )
    return isinstance(value, str) and string_matches(matcher["stringMatch"], value)
