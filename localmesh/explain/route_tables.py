"""The choice of a virtual host and a route, as Envoy makes it from a route configuration.

The order of decisions is Envoy's: the most specific domain, then the first route whose conditions all hold
(Envoy, "HTTP route components", `VirtualHost.domains` and `RouteMatch`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from localmesh.explain.claims import claim_at, claim_names_of, claims_match
from localmesh.explain.explanation import Condition
from localmesh.explain.request import Message
from localmesh.explain.string_matchers import regex, string_matches, string_text
from localmesh.formats.claims import claim_field

Json = Mapping[str, Any]


class RouteTable:
    """A route configuration with an index of its domains."""

    def __init__(self, configuration: Json) -> None:
        self.name: str = configuration["name"]
        self.virtual_hosts: Sequence[Json] = configuration["virtualHosts"]
        self._exact: dict[str, Json] = {}
        self._suffixes: dict[int, dict[str, Json]] = {}
        self._prefixes: dict[int, dict[str, Json]] = {}
        self._default: Json | None = None
        self._keeps_port = not configuration.get("ignorePortInHostMatching")
        for virtual_host in self.virtual_hosts:
            for domain in virtual_host["domains"]:
                self._add(domain.lower(), virtual_host)

    def _add(self, domain: str, virtual_host: Json) -> None:
        if domain == "*":
            self._default = self._default or virtual_host
        elif domain.startswith("*"):
            self._suffixes.setdefault(len(domain) - 1, {}).setdefault(domain[1:], virtual_host)
        elif domain.endswith("*"):
            self._prefixes.setdefault(len(domain) - 1, {}).setdefault(domain[:-1], virtual_host)
        else:
            self._exact.setdefault(domain, virtual_host)

    def virtual_host(self, message: Message) -> tuple[Json | None, str]:
        """The virtual host with the domain that matches: exact, the longest suffix or prefix, else `*`."""
        host = message.authority.lower() if self._keeps_port else message.host
        if host in self._exact:
            return self._exact[host], host
        for length in sorted(self._suffixes, reverse=True):
            if len(host) > length and host[-length:] in self._suffixes[length]:
                return self._suffixes[length][host[-length:]], f"*{host[-length:]}"
        for length in sorted(self._prefixes, reverse=True):
            if len(host) > length and host[:length] in self._prefixes[length]:
                return self._prefixes[length][host[:length]], f"{host[:length]}*"
        return self._default, "*" if self._default else ""


class Choice(NamedTuple):
    """The chosen route, None if no route matches, and the failed condition of each route before it."""

    route: Json | None
    skipped: tuple[tuple[Json, Condition], ...]


def choose(virtual_host: Json, message: Message) -> Choice:
    """The first route of a virtual host that matches; those for tunnels (CONNECT) are for no request here."""
    skipped: list[tuple[Json, Condition]] = []
    for route in virtual_host["routes"]:
        if "connectMatcher" in route["match"]:
            continue
        failed = failed_condition(route["match"], message)
        if failed is None:
            return Choice(route, tuple(skipped))
        skipped.append((route, failed))
    return Choice(None, tuple(skipped))


def failed_condition(match: Json, message: Message) -> Condition | None:
    """The first condition of a route's match that does not hold, in Istio's words; None if all hold."""
    path = message.bare_path
    if not _path_matches(match, path):
        return Condition("uri", _path_text(match) + _of_whole(match, path), path)
    for matcher in match.get("headers", ()):
        value = message.header(matcher["name"])
        if not _value_matches(matcher, value):
            return Condition(_header_field(matcher), _expected(matcher, value), value)
    for matcher in match.get("dynamicMetadata", ()):
        if claims_match(matcher, message.verified_claims) == bool(matcher.get("invert")):
            seen = claim_at(message.verified_claims, claim_names_of(matcher))
            return Condition(_claim_field(matcher), _claim_text(matcher), None if seen is None else str(seen))
    if match.get("queryParameters"):
        parameters = query_parameters(message.path)
        for matcher in match["queryParameters"]:
            value = parameters.get(matcher["name"])
            if not _value_matches(matcher, value):
                return Condition(f"queryParams[{matcher['name']}]", _expected(matcher, value), value)
    return None


def conditions_text(match: Json) -> list[str]:
    """The conditions of a route's match in Istio's words; none if it matches every request.

    >>> conditions_text({"prefix": "/", "headers": [{"name": "user", "stringMatch": {"exact": "me"}}]})
    ['headers[user] exact "me"']
    """
    path = [] if match.get("prefix") == "/" else [f"uri {_path_text(match)}"]
    return [
        *path,
        *(f"{_header_field(each)} {_matcher_text(each)}" for each in match.get("headers", ())),
        *(f"{_claim_field(each)} {_claim_text(each)}" for each in match.get("dynamicMetadata", ())),
        *(f"queryParams[{each['name']}] {_matcher_text(each)}" for each in match.get("queryParameters", ())),
    ]


def query_parameters(path: str) -> Mapping[str, str]:
    """The parameters of a path as written: Envoy does not decode them, and the first of a name counts."""
    query = path.partition("#")[0].partition("?")[2]
    parameters: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        parameters.setdefault(name, value)
    return parameters


def _path_matches(match: Json, path: str) -> bool:
    if "safeRegex" in match:
        return regex(match["safeRegex"]["regex"]).fullmatch(path) is not None
    kind, expected = path_condition(match)
    if not match.get("caseSensitive", True):
        path, expected = path.lower(), expected.lower()
    if kind == "pathSeparatedPrefix":
        return path == expected or path.startswith(f"{expected}/")
    return path == expected if kind == "path" else path.startswith(expected)


def path_condition(match: Json) -> tuple[str, str]:
    """How a match that has no regular expression compares the path, and with what."""
    kind = next(kind for kind in ("path", "pathSeparatedPrefix", "prefix") if kind in match)
    return kind, str(match[kind])


def _value_matches(matcher: Json, value: str | None) -> bool:
    """Whether a header or parameter matches; a missing one does not, unless the match is inverted."""
    inverted = bool(matcher.get("invertMatch"))
    if "presentMatch" in matcher:
        return (value is not None) != inverted
    if value is None and not matcher.get("treatMissingHeaderAsEmpty"):
        return False
    return string_matches(matcher["stringMatch"], value or "") != inverted


def header_matches(matcher: Json, value: str | None) -> bool:
    """Whether Envoy's HeaderMatcher matches a value; None: the header is absent."""
    return _value_matches(matcher, value)


_PSEUDO = {":method": "method", ":authority": "authority", ":scheme": "scheme"}


def _header_field(matcher: Json) -> str:
    name: str = matcher["name"]
    if name in _PSEUDO:
        return _PSEUDO[name]
    return f"{'withoutHeaders' if matcher.get('invertMatch') else 'headers'}[{name}]"


def _claim_field(matcher: Json) -> str:
    field = claim_field(claim_names_of(matcher))
    return f"{'withoutHeaders' if matcher.get('invert') else 'headers'}[{field}]"


def _claim_text(matcher: Json) -> str:
    """A claim matches if it has the value, or is a list that has it: the second of the alternatives."""
    text = string_text(matcher["value"]["orMatch"]["valueMatchers"][1]["stringMatch"])
    return f"not {text}" if matcher.get("invert") else text


def _path_text(match: Json) -> str:
    if "safeRegex" in match:
        return f'regex "{match["safeRegex"]["regex"]}"'
    kind, value = path_condition(match)
    case = "" if match.get("caseSensitive", True) else ", in any case"
    word = {"path": "exact", "pathSeparatedPrefix": "path prefix"}.get(kind, kind)
    return f'{word} "{value}"{case}'


def _matcher_text(matcher: Json) -> str:
    not_ = "not " if matcher.get("invertMatch") else ""
    if "presentMatch" in matcher:
        return "absent" if not_ else "present"
    return not_ + string_text(matcher["stringMatch"])


def _expected(matcher: Json, value: str | None) -> str:
    return _matcher_text(matcher) + _of_whole(matcher.get("stringMatch") or {}, value or "")


def _of_whole(matcher: Json, value: str) -> str:
    """A hint where a regular expression matches a part of a value only, which is not enough."""
    pattern = (matcher.get("safeRegex") or {}).get("regex")
    return ", which must match all of it" if pattern and regex(pattern).search(value) else ""
