"""AuthorizationPolicies as settings of Envoy's RBAC filters, one per action.

A rule says who (principals) may do what (permissions). Each `from` and each `to` is an alternative; all
fields of one must match, and so must every `when` condition (istiod: pilot/pkg/security/authz/builder and
pilot/pkg/security/authz/model).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from localmesh.catalog import Action, AuthorizationPolicy, Authorizer
from localmesh.problems import FieldPath
from localmesh.translate import rbac_matchers as match
from localmesh.translate.external_authorization import (
    NETWORK_FILTER,
    PREFIX,
    connection_check,
    denying,
    http_check,
    noting,
    usable,
)
from localmesh.translate.http_filters import RBAC

Json = dict[str, Any]
Rule = Mapping[str, Any]
_Matcher = Callable[[Sequence[str]], Json]
"""What matches any of the values of a field."""

Alternative = tuple[tuple[FieldPath, Json], ...]
"""Conditions that must all hold, each with its field in the rule and its matcher."""

_NETWORK_FILTER = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"
_NETWORK_CHECK = "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz"
_ENVOY_ACTION = {Action.CUSTOM: "DENY", Action.AUDIT: "LOG", Action.DENY: "DENY", Action.ALLOW: "ALLOW"}


def rbac_filter(
    action: Action, policies: Sequence[AuthorizationPolicy], listen_ports: Mapping[int, int]
) -> Json | None:
    """The settings for the policies of an action; None if there are none.

    `listen_ports` says where the proxy really listens for each port that a policy can name.
    """
    if not policies:
        return None
    return _settings(action, policies, listen_ports, for_connections=False)


def custom_filters(
    policies: Sequence[AuthorizationPolicy],
    authorizers: Sequence[Authorizer],
    listen_ports: Mapping[int, int],
) -> tuple[Json | None, Json | None]:
    """The settings of the RBAC filter for CUSTOM policies, and of the filter that asks their authorizer."""
    if not policies:
        return None, None
    authorizer = usable(authorizers)
    return (
        _custom_settings(policies, authorizer, listen_ports, for_connections=False),
        http_check(authorizer) if authorizer else None,
    )


def connection_filters(
    policies: Sequence[AuthorizationPolicy],
    listen_ports: Mapping[int, int],
    authorizers: Sequence[Authorizer] = (),
) -> list[Json]:
    """The network filters that enforce policies where connections are not HTTP.

    Conditions on requests are left out of rules that deny, so that these deny more; rules that allow are left
    out if they have such conditions, so that less is allowed.
    """
    filters = []
    for action in RBAC:
        of_action = [policy for policy in policies if policy.action is action]
        if of_action and action is Action.CUSTOM:
            filters += _custom_connection_filters(of_action, authorizers, listen_ports)
        elif of_action:
            filters.append(_network_filter(_settings(action, of_action, listen_ports, for_connections=True)))
    return filters


def _custom_connection_filters(
    policies: Sequence[AuthorizationPolicy],
    authorizers: Sequence[Authorizer],
    listen_ports: Mapping[int, int],
) -> list[Json]:
    """An authorizer that speaks HTTP is not asked about connections."""
    authorizer = usable(authorizers)
    if authorizer is not None and not authorizer.is_grpc:
        return []
    noted = _network_filter(_custom_settings(policies, authorizer, listen_ports, for_connections=True))
    if authorizer is None:
        return [noted]
    check = {"@type": _NETWORK_CHECK, **connection_check(authorizer)}
    return [noted, {"name": "envoy.filters.network.ext_authz", "typedConfig": check}]


def _network_filter(settings: Json) -> Json:
    config = {"@type": _NETWORK_FILTER, "statPrefix": "tcp.", **settings}
    return {"name": NETWORK_FILTER, "typedConfig": config}


def _custom_settings(
    policies: Sequence[AuthorizationPolicy],
    authorizer: Authorizer | None,
    listen_ports: Mapping[int, int],
    *,
    for_connections: bool,
) -> Json:
    rules = partial(_rules, Action.CUSTOM, listen_ports=listen_ports, for_connections=for_connections)
    return {"rules": denying(rules(policies))} if authorizer is None else noting(rules(policies))


def _settings(
    action: Action,
    policies: Sequence[AuthorizationPolicy],
    listen_ports: Mapping[int, int],
    *,
    for_connections: bool,
) -> Json:
    rules = partial(_rules, action, listen_ports=listen_ports, for_connections=for_connections)
    enforced = [policy for policy in policies if not policy.dry_run]
    dry_run = [policy for policy in policies if policy.dry_run]
    # istiod takes the action in this prefix from the dry-run rules, and ALLOW if there are none
    # (builder.go, `shadowRuleStatPrefix`)
    counted = _ENVOY_ACTION[action] if dry_run else "ALLOW"
    return {
        **({"rules": rules(enforced)} if enforced else {}),
        **({"shadowRules": rules(dry_run)} if dry_run else {}),
        "shadowRulesStatPrefix": f"istio_dry_run_{counted.lower()}_",
    }


def _rules(
    action: Action,
    policies: Sequence[AuthorizationPolicy],
    listen_ports: Mapping[int, int],
    *,
    for_connections: bool,
) -> Json:
    rules = {
        name: rule
        for policy in policies
        for name, rule in _policy(policy, listen_ports, for_connections=for_connections).items()
    }
    return {"action": _ENVOY_ACTION[action], "policies": rules}


def _policy(policy: AuthorizationPolicy, listen_ports: Mapping[int, int], *, for_connections: bool) -> Json:
    if not policy.rules:
        return {rule_name(policy, 0): _NOTHING}
    rules: Json = {}
    for index, rule in enumerate(policy.rules):
        of_rule = rule_conditions(rule, policy.namespace, listen_ports)
        if for_connections:
            kept = conditions_of_connections(rule, of_rule)
            if policy.action is Action.ALLOW and kept != of_rule:
                continue  # what it allows cannot be told from the connection alone
            of_rule = kept
        rules[rule_name(policy, index)] = {
            "permissions": _combined(_PERMISSIONS, of_rule.operations),
            "principals": _combined(_PRINCIPALS, of_rule.sources),
        }
    return rules


def rule_name(policy: AuthorizationPolicy, index: int) -> str:
    """The name of Envoy's policy for a rule; that of a CUSTOM rule says which provider is asked."""
    prefix = f"{PREFIX}-{policy.provider}-" if policy.action is Action.CUSTOM else ""
    return f"{prefix}ns[{policy.namespace}]-policy[{policy.name}]-rule[{index}]"


@dataclass(frozen=True, slots=True)
class _Syntax:
    """How Envoy combines the conditions of one half of a rule."""

    all_of: str
    any_of: str
    entries: str
    negated: str

    def any_value(self, matcher: Callable[[str], Json]) -> _Matcher:
        """A matcher of several values from one of a single value."""
        return lambda values: {self.any_of: {self.entries: [matcher(value) for value in values]}}

    def all_conditions(self, conditions: list[Json]) -> Json:
        """All of the conditions; everything if there are none."""
        return {self.all_of: {self.entries: conditions or [{"any": True}]}}

    def conditions(self, block: Rule, field: str, matcher: _Matcher) -> Iterator[tuple[str, Json]]:
        """What a block says by a field and its negation (`hosts`, `notHosts`), each with its name."""
        if block.get(field):
            yield field, matcher(block[field])
        negation = f"not{field[0].upper()}{field[1:]}"
        if block.get(negation):
            yield negation, {self.negated: matcher(block[negation])}


_PERMISSIONS = _Syntax("andRules", "orRules", "rules", "notRule")
_PRINCIPALS = _Syntax("andIds", "orIds", "ids", "notId")
_NOTHING: Json = {
    "permissions": [{"notRule": {"any": True}}],
    "principals": [{"notId": {"any": True}}],
}
"""A policy that matches no request, for an AuthorizationPolicy without rules."""
_OPERATION = {
    "hosts": "hosts",
    "methods": "methods",
    "paths": "paths",
    "ports": "destination.port",
}
_SOURCE = {
    "principals": "source.principal",
    "requestPrincipals": "request.auth.principal",
    "serviceAccounts": "source.serviceAccount",
    "trustDomains": "source.trustDomain",
    "namespaces": "source.namespace",
    "remoteIpBlocks": "remote.ip",
    "ipBlocks": "source.ip",
}
_OF_REQUESTS = ("hosts", "methods", "paths", "request.")
"""How the keys of conditions begin that only an HTTP request decides."""
_FIELDS = {"to": ("operation", _OPERATION), "from": ("source", _SOURCE)}
"""The fields of both blocks in the order in which istiod writes them, each with its key as a condition."""


def condition_key(rule: Rule, path: FieldPath) -> str:
    """The key of a condition, as `when` writes it, from its field in a rule.

    >>> condition_key({}, FieldPath("from", 0, "source", "notNamespaces"))
    'source.namespace'
    """
    if path[0] == "when":
        key: str = rule["when"][path[1]]["key"]
        return key
    field = str(path[-1])
    if field.startswith("not"):
        field = f"{field[3].lower()}{field[4:]}"
    return {**_OPERATION, **_SOURCE}[field]


class RuleConditions(NamedTuple):
    """The conditions of a rule with the field of each: every `from` and every `to` is an alternative.

    Within an alternative all must hold. Conditions on who calls are in `sources`, all others in `operations`.
    """

    sources: tuple[Alternative, ...]
    operations: tuple[Alternative, ...]


def rule_conditions(rule: Rule, namespace: str, listen_ports: Mapping[int, int]) -> RuleConditions:
    """The conditions of a rule of a policy in that namespace, which `rbac_filter` combines."""
    principals = _with_brackets(_principal_matchers(namespace), rule)
    return RuleConditions(
        sources=tuple(_conditions(rule, "from", _PRINCIPALS, principals)),
        operations=tuple(_conditions(rule, "to", _PERMISSIONS, _permission_matchers(listen_ports))),
    )


def conditions_of_connections(rule: Rule, conditions: RuleConditions) -> RuleConditions:
    """The conditions that a connection alone decides."""
    return RuleConditions(*(tuple(_without_requests(rule, side)) for side in conditions))


def _without_requests(rule: Rule, alternatives: Iterable[Alternative]) -> Iterator[Alternative]:
    for alternative in alternatives:
        yield tuple(
            (path, condition)
            for path, condition in alternative
            if not condition_key(rule, path).startswith(_OF_REQUESTS)
        )


def _conditions(
    rule: Rule, side: str, syntax: _Syntax, matchers: Mapping[str, _Matcher]
) -> Iterator[Alternative]:
    """One entry for each `to` or `from`, of all its fields and all `when` conditions on that side."""
    name, fields = _FIELDS[side]
    common = [
        (FieldPath("when", index, field), condition)
        for index, when in enumerate(rule.get("when") or ())
        if when["key"] in matchers
        for field, condition in syntax.conditions(when, "values", matchers[when["key"]])
    ]
    for index, entry in enumerate(rule.get(side) or [{}]):
        block = entry.get(name) or {}
        own = [
            (FieldPath(side, index, name, written), condition)
            for field, key in fields.items()
            for written, condition in syntax.conditions(block, field, matchers[key])
        ]
        yield (*own, *common)


def _combined(syntax: _Syntax, alternatives: Iterable[Alternative]) -> list[Json]:
    return [syntax.all_conditions([condition for _, condition in conditions]) for conditions in alternatives]


def _permission_matchers(listen_ports: Mapping[int, int]) -> Mapping[str, _Matcher]:
    any_value = _PERMISSIONS.any_value
    return {
        "hosts": any_value(match.host),
        "methods": any_value(lambda value: {"header": match.header(":method", value)}),
        "paths": any_value(match.path),
        "destination.ip": any_value(lambda value: {"destinationIp": match.address_range(value)}),
        "destination.port": any_value(lambda value: match.port(value, listen_ports)),
        "connection.sni": any_value(lambda value: {"requestedServerName": match.string(value)}),
    }


def _principal_matchers(namespace: str) -> Mapping[str, _Matcher]:
    any_value = _PRINCIPALS.any_value
    return {
        "source.ip": any_value(lambda value: {"directRemoteIp": match.address_range(value)}),
        "remote.ip": any_value(lambda value: {"remoteIp": match.address_range(value)}),
        "source.namespace": any_value(match.namespace),
        "source.trustDomain": any_value(match.trust_domain),
        "source.serviceAccount": any_value(lambda value: match.service_account(value, namespace)),
        "source.principal": any_value(match.principal),
        "request.auth.principal": match.request_principals,
        "request.auth.audiences": lambda values: match.claim(["aud"], values),
        "request.auth.presenter": lambda values: match.claim(["azp"], values),
    }


def _with_brackets(matchers: Mapping[str, _Matcher], rule: Rule) -> Mapping[str, _Matcher]:
    """The matchers, and those of the rule's conditions whose keys name a header or a claim in brackets."""
    keys = [when["key"] for when in rule.get("when") or ()]
    return {**matchers, **{key: _bracketed(key) for key in keys if match.bracketed(key)}}


def _bracketed(key: str) -> _Matcher:
    names = match.bracketed(key)
    if key.startswith("request.auth.claims["):
        return lambda values: match.claim(names, values)
    return _PRINCIPALS.any_value(lambda value: {"header": match.header(names[0], value)})
