"""Tokens: RequestAuthentications as Envoy's jwt_authn filter.

A request without a token passes, one with a bad token does not. Of several issuers any one may vouch;
what no one vouches for must not be there at all (istiod: pilot/pkg/security/authn/policy_applier.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localmesh.catalog import JwtRule

Json = dict[str, Any]

JWT = "envoy.filters.http.jwt_authn"
JWT_CONFIG = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
PAYLOAD = "payload"
"""Where in the filter's metadata the claims of a good token are."""
_ALWAYS_SPLIT = ("permission", "scope")
_SAME_NAMES = (
    ("audiences", "audiences"),
    ("forward", "forwardOriginalToken"),
    ("forwardPayloadHeader", "outputPayloadToHeader"),
    ("fromParams", "fromParams"),
    ("fromCookies", "fromCookies"),
)


def jwt_filter(rules: Sequence[JwtRule]) -> Json | None:
    """The filter's configuration for these rules, sorted by issuer; None where there are none."""
    if not rules:
        return None
    providers = {f"origins-{index}": _provider(rule) for index, rule in enumerate(rules)}
    return {
        "@type": JWT_CONFIG,
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": _requirement(list(providers))}],
        "bypassCorsPreflight": True,
    }


def _requirement(providers: Sequence[str]) -> Json:
    optional = [_any_of([_from(provider), {"allowMissing": {}}]) for provider in providers]
    if len(optional) == 1:
        return optional[0]
    all_good = {"requiresAll": {"requirements": optional}}
    return _any_of([*map(_from, providers), all_good])


def _any_of(requirements: list[Json]) -> Json:
    return {"requiresAny": {"requirements": requirements}}


def _from(provider: str) -> Json:
    return {"providerName": provider}


def _provider(rule: JwtRule) -> Json:
    split = {*_ALWAYS_SPLIT, *(rule.get("spaceDelimitedClaims") or ())}
    out: Json = {
        "issuer": rule["issuer"],
        "localJwks": {"inlineString": rule.get("jwks", "")},
        "payloadInMetadata": PAYLOAD,
        "normalizePayloadInMetadata": {"spaceDelimitedClaims": sorted(split)},
    }
    out |= {name: rule[field] for name, field in _SAME_NAMES if rule.get(field)}
    headers = rule.get("fromHeaders") or ()
    if headers:
        out["fromHeaders"] = [
            {"name": header["name"], "valuePrefix": header.get("prefix", "")} for header in headers
        ]
    claims = rule.get("outputClaimToHeaders") or ()
    if claims:
        out["claimToHeaders"] = [
            {"headerName": claim["header"], "claimName": claim["claim"]} for claim in claims
        ]
    return out
