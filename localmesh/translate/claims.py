"""Matchers for the claims of a valid token, which the jwt_authn filter leaves in its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

JWT_FILTER = "envoy.filters.http.jwt_authn"
PAYLOAD = "payload"
"""The key of the claims of a valid token in the filter's metadata."""


def claim_matcher(names: Sequence[str], value: Json) -> Json:
    """A claim, nested if there are several names, that has a value or is a list that has it.

    istiod: pilot/pkg/security/authz/model/util.go, `MetadataMatcherForJWTClaims`.
    """
    return metadata_matcher(names, {"orMatch": {"valueMatchers": [{"listMatch": {"oneOf": value}}, value]}})


def metadata_matcher(names: Sequence[str], value: Json) -> Json:
    """A claim that a matcher of values matches."""
    return {"filter": JWT_FILTER, "path": [{"key": name} for name in (PAYLOAD, *names)], "value": value}
