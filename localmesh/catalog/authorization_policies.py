"""AuthorizationPolicies: who may do what (Istio, "Authorization Policy")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from localmesh.catalog.destination_rules import ROOT_NAMESPACE
from localmesh.catalog.policy_scope import PolicyScope, oldest_first, scope
from localmesh.manifests import Resource

_DRY_RUN = "istio.io/dry-run"


class Action(Enum):
    """What becomes of a request that a rule matches; evaluated in this order."""

    AUDIT = "AUDIT"
    DENY = "DENY"
    ALLOW = "ALLOW"


@dataclass(frozen=True, slots=True)
class AuthorizationPolicy:
    """One policy; without rules it matches nothing, so that an ALLOW policy then denies everything."""

    namespace: str
    name: str
    action: Action
    scope: PolicyScope
    rules: tuple[Mapping[str, Any], ...]
    dry_run: bool = False


def authorization_policies(resources: Iterable[Resource]) -> tuple[AuthorizationPolicy, ...]:
    """The AuthorizationPolicies among these resources, oldest first."""
    return tuple(
        AuthorizationPolicy(
            namespace=resource.namespace,
            name=resource.name,
            action=Action(resource.spec.get("action", "ALLOW")),
            scope=scope(resource),
            rules=tuple(rule or {} for rule in resource.spec.get("rules") or ()),
            dry_run=resource.annotations.get(_DRY_RUN, "").lower() in ("true", "t", "1"),
        )
        for resource in oldest_first(resources, "AuthorizationPolicy")
    )


def policies_for(
    policies: Iterable[AuthorizationPolicy], namespace: str, labels: Mapping[str, str]
) -> list[AuthorizationPolicy]:
    """Those that hold for a workload: the root namespace's first, then its own namespace's."""
    found = [policy for policy in policies if policy.scope.includes(namespace, labels)]
    return sorted(found, key=lambda policy: policy.namespace != ROOT_NAMESPACE)
