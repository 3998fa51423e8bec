"""The decision of the AuthorizationPolicies of a workload, and why each of their rules matches or not.

The RBAC filters decide. The conditions of the rules, from which the filters are made, say why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localmesh.catalog import Action, AuthorizationPolicy
from localmesh.explain.claims import claim_at
from localmesh.explain.explanation import Authorization, Condition, PolicyRule, Reference
from localmesh.explain.policy_filters import Inspected, matching_policies, permits, remote_address
from localmesh.explain.prepared import PreparedProxy
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.problems import FieldPath
from localmesh.problems.fields import listed, quoted
from localmesh.translate.external_authorization import BAD_SUFFIX
from localmesh.translate.rbac import (
    Alternative,
    RuleConditions,
    condition_key,
    conditions_of_connections,
    rule_conditions,
    rule_name,
)
from localmesh.translate.rbac_matchers import bracketed
from localmesh.translate.security import listen_ports

Json = Mapping[str, Any]

_CUSTOM = "rules-custom"
_DENY = "rules-deny"
_ALLOW = "rules-allow"
_SPIFFE = "spiffe://"


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule of a policy that applies to a workload; `name` is that of Envoy's policy."""

    name: str
    rule: Json
    described: PolicyRule
    conditions: RuleConditions | None
    """None for a policy without rules, which matches nothing."""


def known_rules(prepared: PreparedProxy) -> tuple[KnownRule, ...]:
    """The rules of all policies of a workload, in the order in which Istio looks at them."""
    policies = prepared.catalog.policies_for(prepared.proxy)
    ports = listen_ports(prepared.proxy)
    ordered = sorted(policies, key=lambda policy: list(Action).index(policy.action))
    return tuple(known for policy in ordered for known in _known(prepared, policy, ports))


def _known(
    prepared: PreparedProxy, policy: AuthorizationPolicy, ports: Mapping[int, int]
) -> Iterator[KnownRule]:
    resource = prepared.catalog.objects.named(AUTHORIZATION_POLICY, policy.namespace, policy.name)
    for index, rule in enumerate(policy.rules or (None,)):
        path = FieldPath("spec", "rules", index) if policy.rules else FieldPath("spec")
        described = PolicyRule(
            policy=f"{policy.namespace}/{policy.name}",
            action=policy.action.value,
            index=index if policy.rules else None,
            matched=False,
            dry_run=policy.dry_run,
            reference=Reference(resource, path) if resource else None,
        )
        conditions = rule_conditions(rule, policy.namespace, ports) if rule is not None else None
        yield KnownRule(rule_name(policy, index), rule or {}, described, conditions)


def authorize(prepared: PreparedProxy, inspected: Inspected) -> Authorization | None:
    """The decision of the AuthorizationPolicies on a request; None where none applies to the workload."""
    known = prepared.remembered(known_rules)
    if not known:
        return None
    rules = {rule.name: _judged(prepared, rule, inspected) for rule in known}
    deny = (prepared.policies.get(_DENY) or {}).get("rules")
    allow = (prepared.policies.get(_ALLOW) or {}).get("rules")
    custom = prepared.policies.get(_CUSTOM) or {}
    return _custom_decision(prepared, rules, custom, inspected) or _after(
        _asked(prepared, rules, custom, inspected), _decision(rules, deny, allow, inspected)
    )


def _custom_decision(
    prepared: PreparedProxy, rules: Mapping[str, PolicyRule], custom: Json, inspected: Inspected
) -> Authorization | None:
    """The denial of what a CUSTOM policy matches, if its authorizer cannot be used."""
    denying = matching_policies(custom["rules"], inspected) if "rules" in custom else []
    if not denying:
        return None
    deciding = rules[denying[0].removesuffix(BAD_SUFFIX)]
    authorizers = prepared.catalog.authorizers_for(prepared.proxy)
    fault = next(filter(None, (each.fault for each in authorizers)), "")
    if len(authorizers) > 1:
        fault = "the workload has several authorizers, of which Istio allows one"
    reason = f"{_text(deciding)} denies it, as its authorizer cannot be used: {fault}"
    return Authorization(False, reason, deciding, tuple(rules.values()))


def _asked(
    prepared: PreparedProxy, rules: Mapping[str, PolicyRule], custom: Json, inspected: Inspected
) -> str:
    """Which authorizer is asked, and by which rule; "" if none is."""
    noted = matching_policies(custom["shadowRules"], inspected) if "shadowRules" in custom else []
    if not noted:
        return ""
    authorizer = prepared.catalog.authorizers_for(prepared.proxy)[0]
    where = f"{authorizer.name} ({authorizer.host}:{authorizer.port})"
    return f"{_text(rules[noted[0]])} asks the authorizer {where}, which may deny it; if it does not, "


def _after(asked: str, decision: Authorization) -> Authorization:
    return replace(decision, reason=f"{asked}{decision.reason}") if asked else decision


def authorize_connection(prepared: PreparedProxy, chain: Json, inspected: Inspected) -> Authorization | None:
    """The decision on a connection that a filter chain forwards as it is, so that nothing in it counts."""
    known = prepared.remembered(known_rules)
    if not known:
        return None
    inspected = inspected._replace(message=inspected.message.with_headers({}), claims=None)
    rules = {rule.name: _judged_connection(prepared, rule, inspected) for rule in known}
    filters = [settings["rules"] for each in chain["filters"] if "rules" in (settings := each["typedConfig"])]
    by_action = {filter_["action"]: filter_ for filter_ in filters}
    return _decision(rules, by_action.get("DENY"), by_action.get("ALLOW"), inspected)


def _decision(
    rules: Mapping[str, PolicyRule], deny: Json | None, allow: Json | None, inspected: Inspected
) -> Authorization:
    """What the two filters decide; `rules` are by the names of Envoy's policies."""
    all_rules = tuple(rules.values())
    if deny is not None and (denying := matching_policies(deny, inspected)):
        deciding = rules[denying[0]]
        return Authorization(False, f"{_text(deciding)} denies it", deciding, all_rules)
    if allow is None:
        return Authorization(True, "no DENY rule matches, and there is no ALLOW policy", None, all_rules)
    allowing = matching_policies(allow, inspected)
    if not allowing:
        names = sorted({rule.policy for rule in all_rules if rule.action == "ALLOW" and not rule.dry_run})
        reason = f"no rule of the ALLOW {'policies' if len(names) > 1 else 'policy'} {listed(names)} matches"
        return Authorization(False, reason, None, all_rules)
    deciding = rules[allowing[0]]
    return Authorization(True, f"{_text(deciding)} allows it", deciding, all_rules)


def _text(rule: PolicyRule) -> str:
    return f"rule {rule.index} of AuthorizationPolicy {rule.policy}"


def _judged(prepared: PreparedProxy, known: KnownRule, inspected: Inspected) -> PolicyRule:
    """A rule with the first condition that does not hold, or the statement that all hold."""
    if known.conditions is None:
        return known.described
    for alternatives in known.conditions:
        failed = _failed(alternatives, inspected)
        if failed is not None:
            path, _ = failed
            condition = _condition(prepared, known, path, inspected)
            return replace(known.described, failed=condition)
    held = (path for alternatives in known.conditions for path in _held(alternatives, inspected))
    conditions = tuple(_condition(prepared, known, path, inspected) for path in held)
    return replace(known.described, matched=True, held=conditions)


def _held(alternatives: tuple[Alternative, ...], inspected: Inspected) -> Iterator[FieldPath]:
    """The conditions of the first alternative that holds."""
    for conditions in alternatives:
        if all(permits(matcher, inspected) for _, matcher in conditions):
            yield from (path for path, _ in conditions)
            return


def _judged_connection(prepared: PreparedProxy, known: KnownRule, inspected: Inspected) -> PolicyRule:
    """A rule where only the connection counts: one that allows is left out if it looks at requests."""
    if known.conditions is None:
        return known.described
    kept = conditions_of_connections(known.rule, known.conditions)
    fields = [
        condition_key(known.rule, path) if path[0] == "when" else str(path[-1])
        for before, after in zip(known.conditions, kept, strict=True)
        for alternative, rest in zip(before, after, strict=True)
        for path, _ in alternative
        if path not in {own for own, _ in rest}
    ]
    described = replace(known.described, unchecked=tuple(dict.fromkeys(fields)))
    if fields and described.action == Action.ALLOW.value:
        return described
    return _judged(prepared, replace(known, described=described, conditions=kept), inspected)


def _failed(alternatives: tuple[Alternative, ...], inspected: Inspected) -> tuple[FieldPath, Json] | None:
    """The condition that fails in the alternative that comes furthest; None if one holds altogether."""
    furthest: tuple[int, tuple[FieldPath, Json] | None] = (-1, None)
    for conditions in alternatives:
        failed = next(
            ((held, each) for held, each in enumerate(conditions) if not permits(each[1], inspected)), None
        )
        if failed is None:
            return None
        furthest = max(furthest, failed, key=lambda entry: entry[0])
    return furthest[1]


def _condition(prepared: PreparedProxy, known: KnownRule, path: FieldPath, inspected: Inspected) -> Condition:
    key = condition_key(known.rule, path)
    values: Any = known.rule
    for segment in path:
        values = values[segment]
    is_negated = str(path[-1]).startswith("not")
    expected = listed([quoted(value) for value in values], "or")
    reference = known.described.reference
    return Condition(
        field=key if path[0] == "when" else str(path[-1]),
        expected=f"not {expected}" if is_negated else expected,
        seen=_seen(prepared, key, inspected),
        reference=Reference(reference.resource, FieldPath(*reference.path, *path)) if reference else None,
    )


def _seen(prepared: PreparedProxy, key: str, inspected: Inspected) -> str | None:
    """What a request has where a condition with this key looks."""
    message, claims = inspected.message, inspected.claims
    if key.startswith("request.headers["):
        return message.header(bracketed(key)[0])
    if key.startswith("request.auth."):
        return _seen_in_token(key, claims)
    if key.startswith("source.") and key != "source.ip":
        return message.identity.removeprefix(_SPIFFE) or None
    seen = {
        "hosts": message.authority,
        "methods": message.method,
        "paths": message.bare_path,
        "destination.port": _container_port(prepared, inspected.listen_port),
        "destination.ip": inspected.listen_address,
        "source.ip": message.address,
        "remote.ip": remote_address(message),
        "connection.sni": message.server_name,
    }
    return seen.get(key) or None


def _seen_in_token(key: str, claims: Json | None) -> str | None:
    if claims is None:
        return None
    if key == "request.auth.principal":
        return f"{claims.get('iss', '')}/{claims.get('sub', '')}"
    single = {"request.auth.audiences": ["aud"], "request.auth.presenter": ["azp"]}
    value = claim_at(claims, single.get(key) or bracketed(key))
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _container_port(prepared: PreparedProxy, listen_port: int) -> str:
    ports = {real: port for port, real in listen_ports(prepared.proxy).items()}
    return str(ports.get(listen_port, listen_port))
