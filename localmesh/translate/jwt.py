"""RequestAuthentications as settings of Envoy's jwt_authn filter.

A request without a token passes, one with an invalid token does not. With several issuers one valid token is
enough, and a request without a valid one must not have any (istiod:
pilot/pkg/security/authn/policy_applier.go, `convertToEnvoyJwtConfig`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from localmesh.catalog import JwtRule
from localmesh.translate.claims import PAYLOAD

Json = dict[str, Any]

_ALWAYS_SPLIT = ("permission", "scope")
_SAME_NAMES = (
    ("audiences", "audiences"),
    ("forward", "forwardOriginalToken"),
    ("forwardPayloadHeader", "outputPayloadToHeader"),
    ("fromParams", "fromParams"),
    ("fromCookies", "fromCookies"),
)


def jwt_filter(rules: Sequence[JwtRule], *, at_gateway: bool = False) -> Json | None:
    """The settings for these rules, which are sorted by issuer; None if there are none.

    At a gateway routes can match headers with claims: the route is chosen again once these are known.
    """
    if not rules:
        return None
    cleared = {"clearRouteCache": True} if at_gateway else {}
    providers = {f"origins-{index}": _provider(rule) | cleared for index, rule in enumerate(rules)}
    return {
        "providers": providers,
        "rules": [{"match": {"prefix": "/"}, "requires": _requirement(list(providers))}],
        "bypassCorsPreflight": True,
    }


def _requirement(providers: Sequence[str]) -> Json:
    optional = [_any_of([_from(provider), {"allowMissing": {}}]) for provider in providers]
    if len(optional) == 1:
        return optional[0]
    all_valid = {"requiresAll": {"requirements": optional}}
    return _any_of([*map(_from, providers), all_valid])


def _any_of(requirements: list[Json]) -> Json:
    return {"requiresAny": {"requirements": requirements}}


def _from(provider: str) -> Json:
    return {"providerName": provider}


def _provider(rule: JwtRule) -> Json:
    split = {*_ALWAYS_SPLIT, *(rule.get("spaceDelimitedClaims") or ())}
    out: Json = {
        **({"issuer": rule["issuer"]} if rule.get("issuer") else {}),
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
