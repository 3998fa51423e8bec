"""RequestAuthentication: its record and what Istio (validateJwtRule) and Envoy require of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from localmesh.formats.http_headers import is_header_name
from localmesh.kinds.kind import SECURITY, SECURITY_VERSIONS, Kind
from localmesh.kinds.rules.istio import policy_selector, targets
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_KEY_PARTS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}


def issuers(root: Field) -> Iterator[Problem]:
    """Every rule has an issuer, or says where its keys are; keys that are given are valid."""
    for rule in root.get("spec", "jwtRules").items():
        if not rule.get("issuer").text and not _has_location(rule):
            yield rule.problem(
                invalid.MISSING_FIELD,
                name="issuer",
                why="",
                remedy="add the issuer, which is the iss claim of its tokens",
            )
        keys = rule.get("jwks")
        if keys.text and (fault := keys_fault(keys.text)):
            yield keys.problem(invalid.BAD_TOKEN_KEYS, reason=fault)


def _has_location(rule: Field) -> bool:
    return bool(rule.get("jwksUri").text or rule.get("jwks_uri").text)


def key_locations(root: Field) -> Iterator[Problem]:
    """Keys are fetched by HTTP (istio: ParseJwksURI)."""
    for rule in root.get("spec", "jwtRules").items():
        for name in ("jwksUri", "jwks_uri"):
            uri = rule.get(name)
            if uri.text and not _is_http(uri.text):
                yield uri.problem(
                    invalid.BAD_POLICY, expected="a URL with http or https", remedy="correct the URL"
                )


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    del port  # asked for its error
    return parts.scheme in ("http", "https")


def locations(root: Field) -> Iterator[Problem]:
    """Names of audiences, parameters, cookies and headers are valid."""
    for rule in root.get("spec", "jwtRules").items():
        for block in ("audiences", "fromParams", "fromCookies"):
            for entry in rule.get(block).items():
                if entry.text == "":
                    yield entry.problem(
                        invalid.BAD_POLICY, expected="a name", remedy="write a name, or remove the entry"
                    )
        output = rule.get("outputPayloadToHeader")
        if output.text and set(output.text) & set("\0\r\n"):  # Envoy rejects these
            yield output.problem(
                invalid.BAD_POLICY, expected="a header name", remedy="remove the control characters"
            )
        for header in (
            *(entry.get("name") for entry in rule.get("fromHeaders").items()),
            *(entry.get("header") for entry in rule.get("outputClaimToHeaders").items()),
        ):
            if header.text is not None and not is_header_name(header.text):
                yield header.problem(
                    invalid.BAD_HEADER,
                    expected="a header name: letters, digits and -, without spaces",
                    remedy="correct the name",
                )


def keys_fault(text: str) -> str:
    """Why Envoy would reject the keys, and with them the whole listener; "" if it accepts them."""
    try:
        document = json.loads(text)
    except ValueError:
        return "it is not JSON"
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        return 'it has no list "keys" with at least one key'
    return next(filter(None, map(_key_fault, keys)), "")


def _key_fault(key: Any) -> str:
    kind = key.get("kty") if isinstance(key, dict) else None
    if kind not in _KEY_PARTS:
        return f"the kty of a key is {quoted(kind)}"
    for part in _KEY_PARTS[kind]:
        if not key.get(part):
            return f"a key with kty {kind} has no {part}"
        if part != "crv" and not _is_base64(key[part]):
            return f"the {part} of a key is {quoted(key[part])}, which is not base64"
    return ""


def _is_base64(text: Any) -> bool:
    """Whether a text is base64 of either alphabet; the padding may be left out."""
    if not isinstance(text, str) or not _BASE64.match(text):
        return False
    unpadded = text.rstrip("=")
    return len(unpadded) % 4 != 1 and (unpadded == text or len(text) % 4 == 0)


_BASE64 = re.compile(r"(?:[A-Za-z0-9_-]*|[A-Za-z0-9+/]*)={0,2}\Z")

REQUEST_AUTHENTICATION = Kind(
    group=SECURITY,
    name="RequestAuthentication",
    versions=SECURITY_VERSIONS,
    plural="requestauthentications",
    short_names=("ra",),
    rules=(policy_selector, targets, issuers, key_locations, locations),
)
