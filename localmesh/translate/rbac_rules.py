"""One rule of an AuthorizationPolicy: who (principals) may do what (permissions).

Each `from` and each `to` is an alternative; what stands in one of them must all hold, and so must every
`when` condition, whichever side it is about (istiod: pilot/pkg/security/authz/model).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.translate import rbac_matchers as match

Json = dict[str, Any]
_Whole = Callable[[Sequence[str]], Json]


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a rule's meaning depends on: its policy's namespace, and the proxy's real ports."""

    namespace: str
    ports: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Side:
    """How Envoy writes one half of a rule."""

    all_of: str
    any_of: str
    entries: str
    negated: str

    def join(self, kind: str, entries: list[Json]) -> Json:
        return {kind: {self.entries: entries}}

    def conditions(self, values: Sequence[str], excluded: Sequence[str], whole: _Whole) -> Iterator[Json]:
        if values:
            yield whole(values)
        if excluded:
            yield {self.negated: whole(excluded)}

    def each(self, one: Callable[[str], Json]) -> _Whole:
        """Any of several values, each matched for itself."""
        return lambda values: self.join(self.any_of, [one(value) for value in values])

    def all(self, conditions: list[Json]) -> Json:
        return self.join(self.all_of, conditions or [{"any": True}])


_PERMISSIONS = _Side("andRules", "orRules", "rules", "notRule")
_PRINCIPALS = _Side("andIds", "orIds", "ids", "notId")


def rule_policy(rule: Mapping[str, Any], context: RuleContext) -> Json:
    """Envoy's policy for a rule; the empty rule matches everything."""
    wholes = _permission_conditions(context), _principal_conditions(context)
    permissions, principals = (
        [
            condition
            for when in rule.get("when") or ()
            if (whole := _when(when["key"], known)) is not None
            for condition in side.conditions(when.get("values") or (), when.get("notValues") or (), whole)
        ]
        for side, known in zip((_PERMISSIONS, _PRINCIPALS), wholes, strict=True)
    )
    operations = [to.get("operation") or {} for to in rule.get("to") or ()] or [{}]
    sources = [origin.get("source") or {} for origin in rule.get("from") or ()] or [{}]
    return {
        "permissions": [
            _PERMISSIONS.all([*_of(operation, _PERMISSIONS, _OPERATION, wholes[0]), *permissions])
            for operation in operations
        ],
        "principals": [
            _PRINCIPALS.all([*_of(source, _PRINCIPALS, _SOURCE, wholes[1]), *principals])
            for source in sources
        ],
    }


def never() -> Json:
    """Envoy's policy for no rule at all: it matches nothing."""
    return {"permissions": [{"notRule": {"any": True}}], "principals": [{"notId": {"any": True}}]}


_OPERATION = (
    ("hosts", "hosts"),
    ("methods", "methods"),
    ("paths", "paths"),
    ("ports", "destination.port"),
)
_SOURCE = (
    ("principals", "source.principal"),
    ("requestPrincipals", "request.auth.principal"),
    ("serviceAccounts", "source.serviceAccount"),
    ("trustDomains", "source.trustDomain"),
    ("namespaces", "source.namespace"),
    ("remoteIpBlocks", "remote.ip"),
    ("ipBlocks", "source.ip"),
)
"""Fields of an operation and a source in the order in which istiod writes them, with their condition."""


def _of(
    block: Mapping[str, Any], side: _Side, fields: tuple[tuple[str, str], ...], known: Mapping[str, _Whole]
) -> Iterator[Json]:
    for field, condition in fields:
        excluded = f"not{field[0].upper()}{field[1:]}"
        yield from side.conditions(block.get(field) or (), block.get(excluded) or (), known[condition])


def _permission_conditions(context: RuleContext) -> Mapping[str, _Whole]:
    each = _PERMISSIONS.each
    return {
        "hosts": each(match.host),
        "methods": each(lambda value: {"header": match.header(":method", value)}),
        "paths": each(match.path),
        "destination.ip": each(lambda value: {"destinationIp": match.address_range(value)}),
        "destination.port": each(lambda value: match.port(value, context.ports)),
        "connection.sni": each(lambda value: {"requestedServerName": match.string(value)}),
    }


def _principal_conditions(context: RuleContext) -> Mapping[str, _Whole]:
    each = _PRINCIPALS.each
    return {
        "source.ip": each(lambda value: {"directRemoteIp": match.address_range(value)}),
        "remote.ip": each(lambda value: {"remoteIp": match.address_range(value)}),
        "source.namespace": each(match.namespace),
        "source.trustDomain": each(match.trust_domain),
        "source.serviceAccount": each(lambda value: match.service_account(value, context.namespace)),
        "source.principal": each(match.principal),
        "request.auth.principal": match.request_principals,
        "request.auth.audiences": lambda values: match.claim(["aud"], values),
        "request.auth.presenter": lambda values: match.claim(["azp"], values),
    }


def _when(key: str, known: Mapping[str, _Whole]) -> _Whole | None:
    """How the values of a condition are matched on this side; None if it is about the other."""
    if "source.ip" not in known:
        return known.get(key)
    name = match.bracketed(key)
    if name and key.startswith("request.headers["):
        return _PRINCIPALS.each(lambda value: {"header": match.header(name[0], value)})
    if name and key.startswith("request.auth.claims["):
        return lambda values: match.claim(name, values)
    return known.get(key)
