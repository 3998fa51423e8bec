"""What Envoy's jwt_authn filter makes of the tokens of a request, and of the request itself.

A provider looks for tokens in its places and verifies all that it finds there; requirements combine providers
(Envoy, "JWT Authentication"; the order of decisions is that of the filter's verifiers).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote

from localmesh.explain.explanation import Reference, TokenCheck
from localmesh.explain.json_web_tokens import (
    UNKNOWN_ISSUER,
    InvalidTokenError,
    normalized_claims,
    parsed,
    require_signature,
    require_valid_claims,
)
from localmesh.explain.request import Message

Json = Mapping[str, Any]

_BEARER = "Bearer "
_MISSING = "Jwt is missing"
_LEGAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class CheckedTokens(NamedTuple):
    """The decision, and the request as the next filter sees it: tokens removed, claims in headers."""

    check: TokenCheck
    message: Message


class _Found(NamedTuple):
    """A token with the header or the query parameter that has it; neither for a cookie."""

    text: str
    header: str = ""
    parameter: str = ""


def check_tokens(
    filter_settings: Json, message: Message, references: tuple[Reference, ...] = ()
) -> CheckedTokens:
    """The decision of the filter about the tokens of a request, written or imagined."""
    providers: Json = filter_settings["providers"]
    verification = _Verification(providers, message)
    status = verification.of(filter_settings["rules"][0]["requires"])
    issuers = tuple(provider.get("issuer", "any issuer") for provider in providers.values())
    if status:
        return CheckedTokens(TokenCheck(issuers, None, status, references, verification.refused), message)
    check = TokenCheck(issuers, verification.claims, references=references)
    return CheckedTokens(check, verification.message)


class _Verification:
    """The filter at work on one request. A status is Envoy's message, "" for success."""

    def __init__(self, providers: Json, message: Message) -> None:
        self.message = message
        self.claims: Json | None = None
        self.refused: Json | None = None
        self._providers = providers

    def of(self, requirement: Json) -> str:
        """Whether a requirement is met."""
        ((kind, value),) = requirement.items()
        if kind == "providerName":
            return self._of_provider(self._providers[value])
        statuses = map(self.of, (each for each in value["requirements"] if "allowMissing" not in each))
        if kind == "requiresAll":
            return next(filter(None, statuses), "")
        status = _of_any(statuses)
        allows_missing = any("allowMissing" in each for each in value["requirements"])
        return "" if allows_missing and status == _MISSING else status

    def _of_provider(self, provider: Json) -> str:
        self._remove(*_headers_of_claims(provider))
        if self.message.claims is not None:
            own = {"iss": provider["issuer"]} if provider.get("issuer") else {}
            return self._of_imagined(provider, {**own, **self.message.claims})
        tokens = list(_tokens(provider, self.message))
        if not tokens:
            return _MISSING
        for found in reversed(tokens):
            try:
                self._verify(provider, found)
            except InvalidTokenError as error:
                return str(error)
        return ""

    def _of_imagined(self, provider: Json, claims: Json) -> str:
        try:
            self._require_claims(provider, claims)
        except InvalidTokenError as error:
            return str(error)
        self._accept(provider, claims)
        if not provider.get("forward"):
            self.message = replace(self.message, claims=None)
        return ""

    def _verify(self, provider: Json, found: _Found) -> None:
        token = parsed(found.text)
        self._require_claims(provider, token.claims)
        require_signature(provider, token)
        if provider.get("forwardPayloadHeader"):
            self._add(provider["forwardPayloadHeader"], token.payload)
        self._accept(provider, token.claims)
        if not provider.get("forward"):
            self._remove(*filter(None, (found.header,)))
            if found.parameter:
                self.message = replace(
                    self.message, path=_without_parameter(self.message.path, found.parameter)
                )

    def _require_claims(self, provider: Json, claims: Json) -> None:
        self.refused = claims
        if provider.get("issuer", claims.get("iss")) != claims.get("iss"):
            raise InvalidTokenError(UNKNOWN_ISSUER)
        require_valid_claims(provider, claims)
        self.refused = None

    def _accept(self, provider: Json, claims: Json) -> None:
        for entry in provider.get("claimToHeaders") or ():
            text = _claim_text(claims, entry["claimName"])
            if text:
                self._add(entry["headerName"], text)
        self.claims = normalized_claims(provider, claims)

    def _add(self, name: str, value: str) -> None:
        headers, name = self.message.headers, name.lower()
        before = f"{headers[name]}," if name in headers else ""
        self.message = self.message.with_headers({**headers, name: f"{before}{value}"})

    def _remove(self, *names: str) -> None:
        lower = {name.lower() for name in names}
        if lower & self.message.headers.keys():
            kept = {name: value for name, value in self.message.headers.items() if name not in lower}
            self.message = self.message.with_headers(kept)


def _of_any(statuses: Iterator[str]) -> str:
    """Success, or the most telling of the failures: rather a bad token than an unknown issuer or no token."""
    final = _MISSING
    for status in statuses:
        if not status:
            return ""
        if status not in (_MISSING, UNKNOWN_ISSUER) or final == _MISSING:
            final = status
    return final


def _headers_of_claims(provider: Json) -> Iterator[str]:
    """The headers that a provider writes: what a client has sent in them is removed."""
    yield from filter(None, (provider.get("forwardPayloadHeader"),))
    yield from (entry["headerName"] for entry in provider.get("claimToHeaders") or ())


def _tokens(provider: Json, message: Message) -> Iterator[_Found]:
    """The tokens in the places where a provider looks for them, in Envoy's order."""
    has_places = any(provider.get(field) for field in ("fromHeaders", "fromParams", "fromCookies"))
    default: Json = {"name": "authorization", "valuePrefix": _BEARER}
    headers = provider.get("fromHeaders") or (() if has_places else (default,))
    for header in sorted(headers, key=lambda each: each["name"].lower() + each.get("valuePrefix", "")):
        name, prefix = header["name"].lower(), header.get("valuePrefix", "")
        value = message.header(name)
        if value is not None and prefix in value:
            yield _Found(_from(value, value.index(prefix) + len(prefix)) if prefix else value, header=name)
    parameters = _decoded_parameters(message.path)
    for name in sorted(provider.get("fromParams") or (() if has_places else ("access_token",))):
        if name in parameters:
            yield _Found(parameters[name], parameter=name)
    cookies = dict(
        pair.strip().partition("=")[::2] for pair in message.headers.get("cookie", "").split(";") if pair
    )
    yield from (
        _Found(cookies[name]) for name in sorted(provider.get("fromCookies") or ()) if name in cookies
    )


def _from(value: str, after: int) -> str:
    """What follows a prefix, from the first character that a token can have; else the whole value."""
    start = next((index for index in range(after, len(value)) if value[index] in _LEGAL), None)
    return value if start is None else value[start:]


def _decoded_parameters(path: str) -> Mapping[str, str]:
    parameters: dict[str, str] = {}
    for pair in path.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        parameters.setdefault(unquote(name), unquote(value))
    return parameters


def _without_parameter(path: str, name: str) -> str:
    bare, _, query = path.partition("?")
    kept = [pair for pair in query.split("&") if unquote(pair.partition("=")[0]) != name]
    return f"{bare}?{'&'.join(kept)}" if kept else bare


def _claim_text(claims: Json, name: str) -> str:
    """A claim as the value of a header, lists and objects as JSON in base64; "" if there is none.

    Dots in the name lead into objects.
    """
    value: Any = claims
    for key in [name] if name in claims else name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, list | dict):
        return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""
