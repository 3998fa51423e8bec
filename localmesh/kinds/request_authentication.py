"""RequestAuthentication: its record and what Istio (validateJwtRule) and Envoy require of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from localmesh.formats.http_headers import is_header_name
from localmesh.kinds.kind import SECURITY, SECURITY_VERSIONS, Kind
from localmesh.kinds.rules.istio import TARGET_REFERENCES
from localmesh.kinds.rules.metadata import label_problems
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

_KEY_PARTS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "oct": ("k",)}


def selector(root: Field) -> Iterator[Problem]:
    """The selector consists of valid labels."""
    yield from label_problems(root.get("spec", "selector", "matchLabels"))


def issuers(root: Field) -> Iterator[Problem]:
    """Every rule has an issuer and its keys."""
    for rule in root.get("spec", "jwtRules").items():
        if not rule.get("issuer").text:
            yield rule.problem(
                invalid.MISSING_FIELD,
                name="issuer",
                why="",
                remedy="add the issuer, which is the iss claim of its tokens",
            )
        yield from _keys(rule)


def locations(root: Field) -> Iterator[Problem]:
    """Names of audiences, parameters, cookies and headers are valid."""
    for rule in root.get("spec", "jwtRules").items():
        for block in ("audiences", "fromParams", "fromCookies"):
            for entry in rule.get(block).items():
                if entry.text == "":
                    yield entry.problem(
                        invalid.BAD_POLICY, expected="a name", remedy="write a name, or remove the entry"
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


def _keys(rule: Field) -> Iterator[Problem]:
    keys = rule.get("jwks")
    if not keys.text:
        if not rule.get("jwksUri").text and not rule.get("jwks_uri").text:
            yield rule.problem(
                invalid.MISSING_FIELD, name="jwks", why="", remedy="add the issuer's public keys as jwks"
            )
        return
    fault = _fault(keys.text)
    if fault:
        yield keys.problem(invalid.BAD_TOKEN_KEYS, reason=fault)


def _fault(text: str) -> str:
    """Why Envoy would reject the keys, and with them the whole listener; "" if it accepts them."""
    try:
        document = json.loads(text)
    except ValueError:
        return "it is not JSON"
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        return 'it has no list "keys" with at least one key'
    faults = [_key_fault(key) for key in keys]
    return "" if "" in faults else faults[0]


def _key_fault(key: Any) -> str:
    kind = key.get("kty") if isinstance(key, dict) else None
    if kind not in _KEY_PARTS:
        return f"the kty of a key is {quoted(kind)}"
    missing = [part for part in _KEY_PARTS[kind] if not key.get(part)]
    return f"a key with kty {kind} has no {missing[0]}" if missing else ""


_INLINE_KEYS = "write the keys in jwks: localmesh does not fetch them"

REQUEST_AUTHENTICATION = Kind(
    group=SECURITY,
    name="RequestAuthentication",
    versions=SECURITY_VERSIONS,
    plural="requestauthentications",
    short_names=("ra",),
    rules=(selector, issuers, locations),
    unsupported_fields={
        "spec.jwtRules[].jwksUri": _INLINE_KEYS,
        "spec.jwtRules[].jwks_uri": _INLINE_KEYS,
        **TARGET_REFERENCES,
    },
    ineffective_fields={"spec.jwtRules[].timeout": "keys are not fetched"},
)
