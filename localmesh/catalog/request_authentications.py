"""RequestAuthentications: whose tokens are believed (Istio, "Request Authentication")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localmesh.catalog.destination_rules import ROOT_NAMESPACE
from localmesh.catalog.policy_scope import PolicyScope, oldest_first, scope
from localmesh.manifests import Resource

JwtRule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """One object: its scope and its rules, one per issuer."""

    namespace: str
    scope: PolicyScope
    rules: tuple[JwtRule, ...]


def request_authentications(resources: Iterable[Resource]) -> tuple[RequestAuthentication, ...]:
    """The RequestAuthentications among these resources, oldest first."""
    return tuple(
        RequestAuthentication(resource.namespace, scope(resource), tuple(resource.spec.get("jwtRules") or ()))
        for resource in oldest_first(resources, "RequestAuthentication")
    )


def jwt_rules_for(
    authentications: Iterable[RequestAuthentication], namespace: str, labels: Mapping[str, str]
) -> list[JwtRule]:
    """All rules that hold for a workload, by issuer; of one issuer the root namespace's come first."""
    found = [each for each in authentications if each.scope.includes(namespace, labels)]
    found.sort(key=lambda each: each.namespace != ROOT_NAMESPACE)
    return sorted((rule for each in found for rule in each.rules), key=lambda rule: str(rule["issuer"]))
