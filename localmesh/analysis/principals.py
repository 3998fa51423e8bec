"""AuthorizationPolicies that name callers which do not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from localmesh.catalog import Catalog
from localmesh.catalog.trust import SPIFFE, TRUST_DOMAIN, Trust
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.kubernetes import NAMESPACE, SERVICE_ACCOUNT
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field

_PRINCIPALS = ("principals", "notPrincipals")
_NAMESPACES = ("namespaces", "notNamespaces")
_PRINCIPAL = re.compile(r"[^/*]+/ns/(?P<namespace>[^/*]+)/sa/(?P<account>[^/*]+)\Z")
"""A principal without wildcards, which means one ServiceAccount."""


def principals(catalog: Catalog) -> Iterator[Problem]:
    """Principals and namespaces in the rules of AuthorizationPolicies, if there are workloads at all."""
    if not catalog.workloads:
        return  # a part of a larger mesh, where the callers are elsewhere
    known = _Known(catalog)
    for resource in catalog.objects.of(AUTHORIZATION_POLICY):
        for rule in resource.root.get("spec", "rules").items():
            for name in _named(rule, _PRINCIPALS, "source.principal"):
                yield from known.principal(name)
            for name in _named(rule, _NAMESPACES, "source.namespace"):
                yield from known.namespace(name)


def _named(rule: Field, fields: tuple[str, ...], key: str) -> Iterator[Field]:
    """The callers that a rule names in these fields of a source, or in conditions with that key."""
    for origin in rule.get("from").items():
        for field in fields:
            yield from origin.get("source", field).items()
    for condition in rule.get("when").items():
        if condition.get("key").text == key:
            for field in ("values", "notValues"):
                yield from condition.get(field).items()


class _Known:
    """The ServiceAccounts and namespaces of the manifests."""

    def __init__(self, catalog: Catalog) -> None:
        accounts = {(account.namespace, account.name) for account in catalog.objects.of(SERVICE_ACCOUNT)}
        accounts |= {(workload.namespace, workload.service_account) for workload in catalog.workloads}
        accounts |= {(gateway.namespace, gateway.workload.service_account) for gateway in catalog.gateways}
        self._namespaces = {namespace for namespace, _ in accounts}
        self._namespaces |= {namespace.name for namespace in catalog.objects.of(NAMESPACE)}
        accounts |= {(namespace, "default") for namespace in self._namespaces}
        self._trust = catalog.mesh_config.trust
        # cluster.local stands for the trust domain, whatever that is
        self._principals = {
            Trust(domain).identity(*account).removeprefix(SPIFFE): account
            for domain in dict.fromkeys((*self._trust.domains, TRUST_DOMAIN))
            for account in accounts
        }

    def principal(self, name: Field) -> Iterator[Problem]:
        """The problem with a principal that no caller has."""
        written = name.text or ""
        meant = _PRINCIPAL.match(written)
        if meant is None or written in self._principals:
            return
        namespace, account = meant["namespace"], meant["account"]
        reason = f"there is no ServiceAccount {namespace}/{account}"
        if (namespace, account) in self._principals.values():
            reason = f"the trust domain is {self._trust.domain}"
        elif namespace not in self._namespaces:
            reason = f"there is no namespace {namespace} in the manifests"
        close = get_close_matches(written, self._principals, n=1)
        remedy = f"write {close[0]}, or define the ServiceAccount" if close else "correct the name"
        yield name.problem(warnings.UNKNOWN_CALLER, reason=reason, remedy=remedy)

    def namespace(self, name: Field) -> Iterator[Problem]:
        """The problem with a namespace that no caller is in."""
        written = name.text or ""
        if not written or "*" in written or written in self._namespaces:
            return
        close = get_close_matches(written, self._namespaces, n=1)
        reason = f"there is no namespace {written} in the manifests"
        remedy = f"write {close[0]}, or define the Namespace" if close else "correct the name"
        yield name.problem(warnings.UNKNOWN_CALLER, reason=reason, remedy=remedy)
