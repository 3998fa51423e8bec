"""What Envoy's jwt_authn filter makes of the token of a request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from localmesh.explain.explanation import Reference, TokenCheck
from localmesh.explain.request import Message
from localmesh.explain.route_tables import query_parameters

Json = Mapping[str, Any]

_BEARER = "Bearer "
_CLOCK_SKEW_SECONDS = 60
_OTHER_ISSUER = "Jwt issuer is not configured"


class Verdict(NamedTuple):
    """For one provider: the claims of a valid token, or why it is not valid; neither if there is none."""

    claims: Json | None = None
    reason: str = ""


class Checked(NamedTuple):
    """The decision of the filter, and the request as it passes it on."""

    check: TokenCheck
    message: Message


def check_tokens(filter_settings: Json, message: Message, references: tuple[Reference, ...] = ()) -> Checked:
    """The decision of the filter about the token of a request, written or imagined."""
    providers: Mapping[str, Json] = filter_settings["providers"]
    verdicts = {name: _verdict(provider, message) for name, provider in providers.items()}
    issuers = tuple(provider["issuer"] for provider in providers.values())
    if not _is_met(filter_settings["rules"][0]["requires"], verdicts):
        reasons = [verdict.reason for verdict in verdicts.values() if verdict.reason]
        return Checked(TokenCheck(issuers, None, _most_telling(reasons), references), message)
    for name, verdict in verdicts.items():
        if verdict.claims is not None:
            check = TokenCheck(issuers, verdict.claims, references=references)
            return Checked(check, _passed_on(providers[name], message, verdict.claims))
    return Checked(TokenCheck(issuers, references=references), message)


def _most_telling(reasons: list[str]) -> str:
    """The reason of the provider that the token is meant for, if there is one."""
    return next((reason for reason in reasons if reason != _OTHER_ISSUER), (*reasons, "Jwt is missing")[0])


def _passed_on(provider: Json, message: Message, claims: Json) -> Message:
    """The request after the filter: without the token unless it is forwarded, with the copied claims."""
    headers = dict(message.headers)
    for entry in provider.get("claimToHeaders") or ():
        value = claims.get(entry["claimName"])
        if value is not None:
            headers[entry["headerName"].lower()] = value if isinstance(value, str) else json.dumps(value)
    if provider.get("forward"):
        return message.with_headers(headers)
    for name, prefix in _header_places(provider):
        if headers.get(name, "").startswith(prefix):
            del headers[name]
    return replace(message, headers=headers, claims=None)


def _is_met(requirement: Json, verdicts: Mapping[str, Verdict]) -> bool:
    ((kind, value),) = requirement.items()
    if kind == "providerName":
        return verdicts[value].claims is not None
    if kind == "allowMissing":
        return all(verdict.claims is None and not verdict.reason for verdict in verdicts.values())
    combine = any if kind == "requiresAny" else all
    return combine(_is_met(each, verdicts) for each in value["requirements"])


def _verdict(provider: Json, message: Message) -> Verdict:
    if message.claims is not None:
        return _judge(provider, {"iss": provider["issuer"], **message.claims})
    token = next(_tokens(provider, message), None)
    return Verdict() if token is None else _verified(provider, token)


def _header_places(provider: Json) -> Iterator[tuple[str, str]]:
    """The headers in which a provider looks for tokens, each with the text before the token."""
    for header in provider.get("fromHeaders") or ():
        yield header["name"].lower(), header.get("valuePrefix", "")
    if not _has_own_places(provider):
        yield "authorization", _BEARER


def _has_own_places(provider: Json) -> bool:
    return any(provider.get(field) for field in ("fromHeaders", "fromParams", "fromCookies"))


def _tokens(provider: Json, message: Message) -> Iterator[str]:
    """The tokens in the places where a provider looks for them."""
    for name, prefix in _header_places(provider):
        value = message.header(name) or ""
        if value and value.startswith(prefix):
            yield value.removeprefix(prefix)
    parameters = query_parameters(message.path)
    for name in provider.get("fromParams") or (() if _has_own_places(provider) else ("access_token",)):
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
        return Verdict(reason=_OTHER_ISSUER)
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
