"""The keys of issuers that RequestAuthentications do not contain, but say where to fetch.

istiod: pilot/pkg/model/jwks_resolver.go. istiod fetches them itself and sends them to proxies with the rules;
without the keys of an issuer all its tokens are invalid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from localmesh.formats.durations import nanoseconds

_DEFAULT_TIMEOUT_SECONDS = 5.0

UNKNOWN_KEYS = (
    '{"keys":[{"kty":"RSA","e":"AQAB","n":"tVDaFqCa_wZq9MQxBl_zFyoj_PpQj_AHji8eO8rPeEewIdeCWw1aH_KZf3kXMXcl'
    "t2VPEQHCA9_eW5FKCcpHozenA9Rq9iQks7Gmdo7kJ8GfJ7NLWJB_dyIowB4xt-8NaHjPskS-jX_t52LIawwdKy1YPUQDaqwhVVS5Fx"
    "7BzNrrLe0vc1mOP234T1r9OKMwKMRpp2k0oRgAq1PQTQxuFOFKa4Yg6mry1kEqCUSNQzUd-MDyOhMxtxpTyB5-gRVJ91P1ctPv_on0"
    '3I3KYWUS6BFfNY3W1uMKaoGU8sAK4P9vJhVA6yKTGSmhHl9WMFjmr7-dmOiaHfwgvyB1WBDMlw"}]}'
)
"""A key whose private part was thrown away: no token is signed with it. It stands for unknown keys."""


class KeySource(NamedTuple):
    """Where the keys of an issuer are: at `uri`, or, if that is "", where the issuer's discovery says."""

    issuer: str
    uri: str


def key_source(rule: Mapping[str, Any]) -> KeySource | None:
    """Where the keys of a JWT rule have to be fetched from; None if the rule contains them."""
    if rule.get("jwks"):
        return None
    return KeySource(rule.get("issuer", ""), rule.get("jwksUri") or rule.get("jwks_uri") or "")


def timeout_seconds(rule: Mapping[str, Any]) -> float:
    """How long fetching the keys of a JWT rule may take."""
    written = nanoseconds(rule.get("timeout") or "")
    return written / 10**9 if written else _DEFAULT_TIMEOUT_SECONDS


def with_keys(rules: Iterable[Mapping[str, Any]], known: Mapping[KeySource, str]) -> list[Mapping[str, Any]]:
    """The rules, each with keys: its own, those that were fetched for it, or ones that no token has."""
    return [_with_keys(rule, known) for rule in rules]


def _with_keys(rule: Mapping[str, Any], known: Mapping[KeySource, str]) -> Mapping[str, Any]:
    source = key_source(rule)
    return rule if source is None else {**rule, "jwks": known.get(source) or UNKNOWN_KEYS}
