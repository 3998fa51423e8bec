"""The matchers of single values in an AuthorizationPolicy.

A value is exact, ``prefix*``, ``*suffix``, or ``*`` for anything that is present
(istiod: pilot/pkg/security/authz/matcher and pilot/pkg/security/authz/model/generator.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from localmesh.catalog.trust import SPIFFE
from localmesh.translate.claims import claim_matcher, metadata_matcher

Json = dict[str, Any]

_PRESENT: Json = {"safeRegex": {"regex": ".+"}}
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
_TEMPLATE = re.compile(r"\{\*\*?\}")
_NESTED_NAMES = re.compile(r"(?:\[[^\[\]]*\])+")


def string(value: str, prefix: str = "") -> Json:
    """A string; `prefix` is put before the value, unless that is a star alone."""
    if value == "*":
        return _PRESENT
    if value.startswith("*"):
        rest = value[1:]
        return {"safeRegex": {"regex": f"{prefix}.*{_quoted(rest)}"}} if prefix else {"suffix": rest}
    if value.endswith("*"):
        return {"prefix": prefix + value[:-1]}
    return {"exact": prefix + value}


def header(name: str, value: str, *, ignore_case: bool = False) -> Json:
    """The value of a header; a star alone: the header is present."""
    if value == "*":
        return {"name": name, "presentMatch": True}
    case = {"ignoreCase": True} if ignore_case else {}
    return {"name": name, "stringMatch": {**string(value), **case}}


def host(value: str) -> Json:
    """The authority of the request, regardless of case."""
    return {"header": header(":authority", value, ignore_case=True)}


def path(value: str) -> Json:
    """The path without its query; ``{*}`` matches one segment and ``{**}`` any number of them."""
    if not _TEMPLATE.search(value):
        return {"urlPath": {"path": string(value)}}
    return {
        "uriTemplate": {
            "name": "uri-template",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3"
                ".UriTemplateMatchConfig",
                "pathTemplate": value.replace("{**}", "**").replace("{*}", "*"),
            },
        }
    }


def port(value: str, listen_ports: Mapping[int, int]) -> Json:
    """The port that was called: a policy names the container port, but the proxy listens on another one."""
    number = int(value)
    return {"destinationPort": listen_ports.get(number, number)}


def address_range(value: str) -> Json:
    """An address or a range of addresses."""
    address, slash, length = value.partition("/")
    whole = 128 if ":" in address else 32
    return {"addressPrefix": address, "prefixLen": int(length) if slash else whole}


def principal(value: str) -> Json:
    """The identity of the caller, which has no ``spiffe://`` in a policy."""
    return _authenticated(string(value, SPIFFE))


def namespace(value: str) -> Json:
    """The namespace in the identity of the caller."""
    pattern = ".*".join(map(_quoted, value.split("*")))
    return _authenticated({"safeRegex": {"regex": f".*/ns/{pattern}/.*"}})


def service_account(value: str, own_namespace: str) -> Json:
    """The ServiceAccount in the identity of the caller: ``name`` or ``namespace/name``."""
    namespace, slash, name = value.partition("/")
    if not slash:
        namespace, name = own_namespace, value
    pattern = f"spiffe://.+/ns/{_quoted(namespace)}/(.+/|)sa/{_quoted(name)}(/.+)?"
    return _authenticated({"safeRegex": {"regex": pattern}})


def trust_domain(value: str) -> Json:
    """The trust domain in the identity of the caller."""
    if value == "*":
        return _authenticated({"prefix": SPIFFE})
    if "*" not in value:
        return _authenticated({"prefix": f"{SPIFFE}{value}/"})
    before, _, after = value.partition("*")
    pattern = f"{_quoted(before)}[^/]*{_quoted(after)}"
    return _authenticated({"safeRegex": {"regex": f"{SPIFFE}{pattern}/.*"}})


def request_principals(values: Sequence[str]) -> Json:
    """The principal of a token: ``issuer/subject``."""
    principals = [
        {"andIds": {"ids": [_claim_is("iss", issuer), _claim_is("sub", subject)]}}
        for issuer, subject in map(_issuer_and_subject, values)
    ]
    return principals[0] if len(principals) == 1 else {"orIds": {"ids": principals}}


def claim(names: Sequence[str], values: Sequence[str]) -> Json:
    """A claim of the token, nested if there are several names: one of the values, or a list that has one."""
    matchers = [{"stringMatch": string(value)} for value in values]
    value = matchers[0] if len(matchers) == 1 else {"orMatch": {"valueMatchers": matchers}}
    return {"metadata": claim_matcher(names, value)}


def bracketed(key: str) -> list[str]:
    """The names in brackets after the key of a condition.

    >>> bracketed("request.auth.claims[realm][roles]"), bracketed("source.ip")
    (['realm', 'roles'], [])
    """
    before, bracket, _ = key.partition("[")
    names = key[len(before) :]
    if not bracket or not names.endswith("]"):
        return []
    # anything else within the outer brackets is one name, for example a claim that is a URL
    return names[1:-1].split("][") if _NESTED_NAMES.fullmatch(names) else [names[1:-1]]


def _issuer_and_subject(value: str) -> tuple[Json, Json]:
    if value == "*":
        return _PRESENT, _PRESENT
    issuer, slash, subject = value.rpartition("/")  # an issuer can be a URL
    if slash:
        return string(issuer) if issuer.startswith("*") else {"exact": issuer}, _subject(value, subject)
    if value.startswith("*"):
        return _PRESENT, {"suffix": value[1:]}
    if value.endswith("*"):
        return {"prefix": value[:-1]}, _PRESENT
    return {"exact": value}, {"exact": ""}


def _subject(value: str, subject: str) -> Json:
    if value.startswith("*") or not value.endswith("*"):
        return {"exact": subject}
    return string(subject)


def _claim_is(name: str, value: Json) -> Json:
    return {"metadata": metadata_matcher([name], {"stringMatch": value})}


def _authenticated(name: Json) -> Json:
    return {"authenticated": {"principalName": name}}


def _quoted(text: str) -> str:
    """A regular expression that matches a text literally, escaped as in Go."""
    return _SPECIAL.sub(r"\\\1", text)
