"""What Envoy's jwt_authn filter makes of the token of a request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from localmesh.explain.explanation import TokenCheck
from localmesh.explain.request import Message
from localmesh.explain.route_tables import query_parameters

Json = Mapping[str, Any]

_BEARER = "Bearer "
_CLOCK_SKEW_SECONDS = 60


class Verdict(NamedTuple):
    """For one provider: the claims of a valid token, or why it is not valid; neither if there is none."""

    claims: Json | None = None
    reason: str = ""


def check_tokens(filter_settings: Json, message: Message, claims: Json | None) -> TokenCheck:
    """The decision of the filter; `claims` are those of an imagined token that is signed as it must be."""
    providers: Json = filter_settings["providers"]
    verdicts = {name: _verdict(provider, message, claims) for name, provider in providers.items()}
    requirement = filter_settings["rules"][0]["requires"]
    issuers = tuple(provider["issuer"] for provider in providers.values())
    valid = next((verdict.claims for verdict in verdicts.values() if verdict.claims is not None), None)
    if _is_met(requirement, verdicts):
        return TokenCheck(issuers, claims=valid)
    reason = next((verdict.reason for verdict in verdicts.values() if verdict.reason), "Jwt is missing")
    return TokenCheck(issuers, rejected=reason)


def _is_met(requirement: Json, verdicts: Mapping[str, Verdict]) -> bool:
    ((kind, value),) = requirement.items()
    if kind == "providerName":
        return verdicts[value].claims is not None
    if kind == "allowMissing":
        return all(verdict.claims is None and not verdict.reason for verdict in verdicts.values())
    combine = any if kind == "requiresAny" else all
    return combine(_is_met(each, verdicts) for each in value["requirements"])


def _verdict(provider: Json, message: Message, claims: Json | None) -> Verdict:
    if claims is not None:
        return _judge(provider, {"iss": provider["issuer"], **claims})
    token = next(_tokens(provider, message), None)
    if token is None:
        return Verdict()
    return _verified(provider, token)


def _tokens(provider: Json, message: Message) -> Iterator[str]:
    """The tokens in the places where a provider looks for them."""
    own_places = any(provider.get(field) for field in ("fromHeaders", "fromParams", "fromCookies"))
    headers = provider.get("fromHeaders") or ()
    if not own_places:
        headers = ({"name": "authorization", "valuePrefix": _BEARER},)
    for header in headers:
        value = message.header(header["name"]) or ""
        prefix = header.get("valuePrefix", "")
        if value and value.startswith(prefix):
            yield value.removeprefix(prefix)
    parameters = query_parameters(message.path)
    for name in provider.get("fromParams") or (() if own_places else ("access_token",)):
        if name in parameters:
            yield parameters[name]
    cookies = dict(
        pair.strip().partition("=")[::2] for pair in message.headers.get("cookie", "").split(";") if pair
    )
    yield from (cookies[name] for name in provider.get("fromCookies") or () if name in cookies)


def _verified(provider: Json, token: str) -> Verdict:
    """The claims of a written token if its signature is that of one of the provider's keys."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return Verdict(reason="Jwt is not in the form of Header.Payload.Signature")
    verdict = _judge(provider, claims)
    if verdict.claims is None:
        return verdict
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(provider["localJwks"]["inlineString"])).keys
    except (ValueError, jwt.PyJWTError):
        return Verdict(reason="Jwks remote fetch is failed")
    own = [key for key in keys if "kid" not in header or key.key_id in (None, header["kid"])]
    for key in own:
        try:
            jwt.decode(token, key.key, algorithms=[header["alg"]], options=_SIGNATURE_ONLY)
        except jwt.PyJWTError:
            continue
        return verdict
    return Verdict(reason="Jwt verification fails")


_CLAIM_CHECKS = ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss")
_SIGNATURE_ONLY: Any = dict.fromkeys(_CLAIM_CHECKS, False)


def _judge(provider: Json, claims: Json) -> Verdict:
    """Issuer, times and audience, which Envoy looks at before the signature."""
    now = time.time()
    if claims.get("iss") != provider["issuer"]:
        return Verdict(reason="Jwt issuer is not configured")
    if claims.get("nbf", 0) > now + _CLOCK_SKEW_SECONDS:
        return Verdict(reason="Jwt not yet valid")
    if "exp" in claims and claims["exp"] < now - _CLOCK_SKEW_SECONDS:
        return Verdict(reason="Jwt is expired")
    audiences = provider.get("audiences")
    own = claims.get("aud") or []
    if audiences and not {_bare(a) for a in audiences} & {
        _bare(a) for a in (own if isinstance(own, list) else [own])
    }:
        return Verdict(reason="Audiences in Jwt are not allowed")
    return Verdict(claims=_normalized(provider, claims))


def _bare(audience: str) -> str:
    """An audience as Envoy compares it: without its scheme and a slash at the end."""
    return audience.removeprefix("https://").removeprefix("http://").rstrip("/")


def _normalized(provider: Json, claims: Json) -> Json:
    """The claims as policies see them: those that list words are lists."""
    split = (provider.get("normalizePayloadInMetadata") or {}).get("spaceDelimitedClaims") or ()
    return {
        name: value.split() if name in split and isinstance(value, str) else value
        for name, value in claims.items()
    }
