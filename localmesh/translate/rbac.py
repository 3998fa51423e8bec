"""AuthorizationPolicies as Envoy's RBAC filters: one per action, AUDIT before DENY before ALLOW.

The shapes and names are istiod's (pilot/pkg/security/authz/builder).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localmesh.catalog import Action, AuthorizationPolicy
from localmesh.translate.rbac_rules import RuleContext, never, rule_policy

Json = dict[str, Any]

RBAC = "envoy.filters.http.rbac"
RBAC_CONFIG = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
_ENVOY_ACTION = {Action.AUDIT: "LOG", Action.DENY: "DENY", Action.ALLOW: "ALLOW"}


def rbac_filter(
    action: Action, policies: Sequence[AuthorizationPolicy], ports: Mapping[int, int]
) -> Json | None:
    """The filter's configuration for an action's policies; None where there are none.

    `ports` says where the proxy really listens for each port that a policy may name.
    """
    if not policies:
        return None
    config: Json = {"@type": RBAC_CONFIG}
    for field, dry_run in (("rules", False), ("shadowRules", True)):
        chosen = [policy for policy in policies if policy.dry_run is dry_run]
        if chosen:
            rules = {name: rule for policy in chosen for name, rule in _rules(policy, ports).items()}
            config[field] = {"action": _ENVOY_ACTION[action], "policies": rules}
    # istiod takes the word for this prefix from the rules that are only tried, ALLOW if there are none
    tried = _ENVOY_ACTION[action] if "shadowRules" in config else "ALLOW"
    if tried != "LOG":
        config["shadowRulesStatPrefix"] = f"istio_dry_run_{tried.lower()}_"
    return config


def _rules(policy: AuthorizationPolicy, ports: Mapping[int, int]) -> Json:
    prefix = f"ns[{policy.namespace}]-policy[{policy.name}]-rule"
    if not policy.rules:
        return {f"{prefix}[0]": never()}
    context = RuleContext(namespace=policy.namespace, ports=ports)
    return {f"{prefix}[{index}]": rule_policy(rule, context) for index, rule in enumerate(policy.rules)}
