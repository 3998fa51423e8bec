"""Trust domains: the first part of all identities, and the names that are treated as if they were it.

istiod: pilot/pkg/security/trustdomain/bundle.go and pkg/spiffe, `ExpandWithTrustDomains`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

SPIFFE = "spiffe://"
TRUST_DOMAIN = "cluster.local"
"""Istio's default. In principals of policies it stands for the trust domain, whatever that is."""

Rule = Mapping[str, Any]

_PARTS_OF_A_PRINCIPAL = 5
_PRINCIPALS = ("principals", "notPrincipals", "source.principal")
_DOMAINS = ("trustDomains", "notTrustDomains", "source.trustDomain")


class Trust(NamedTuple):
    """The trust domain of a mesh, and its aliases."""

    domain: str = TRUST_DOMAIN
    aliases: tuple[str, ...] = ()

    @property
    def domains(self) -> tuple[str, ...]:
        """All trust domains."""
        return (self.domain, *self.aliases)

    def identity(self, namespace: str, service_account: str) -> str:
        """The SPIFFE identity that all pods with a ServiceAccount prove to others.

        >>> Trust().identity("sentimesh", "logic")
        'spiffe://cluster.local/ns/sentimesh/sa/logic'
        """
        return f"{SPIFFE}{self.domain}/ns/{namespace}/sa/{service_account}"

    def identities(self, names: Iterable[str]) -> tuple[str, ...]:
        """Identities, sorted, each also with every alias; names that are no identities stay as they are.

        >>> Trust("new", ("old",)).identities(["spiffe://new/ns/a/sa/b", "example.com"])
        ('example.com', 'spiffe://new/ns/a/sa/b', 'spiffe://old/ns/a/sa/b')
        """
        expanded = set(names)
        for name in tuple(expanded):
            if self.aliases and name.startswith(SPIFFE):
                _, slash, account = name.removeprefix(SPIFFE).partition("/")
                expanded.update(f"{SPIFFE}{alias}{slash}{account}" for alias in self.aliases)
        return tuple(sorted(expanded))

    def rule(self, rule: Rule) -> Rule:
        """A rule of an AuthorizationPolicy for all trust domains; the same object if it is so already."""
        changed = dict(rule)
        for clause, field in (("from", "source"), ("when", "")):
            entries = rule.get(clause) or []
            trusted = [self._trusted(entry or {}, field) for entry in entries]
            if trusted != entries:
                changed[clause] = trusted
        return changed if changed != rule else rule

    def _trusted(self, entry: Rule, field: str) -> Rule:
        if field:
            source = {name: self._values(name, values) for name, values in (entry.get(field) or {}).items()}
            return {**entry, field: source} if field in entry else entry
        lists = {name: entry[name] for name in ("values", "notValues") if entry.get(name)}
        return {**entry, **{name: self._values(str(entry.get("key")), lists[name]) for name in lists}}

    def _values(self, name: str, values: Any) -> Any:
        if name in _PRINCIPALS:
            return [expanded for value in values or () for expanded in self._principals(value)]
        if name in _DOMAINS:
            known = self.domains
            expanded = (each for value in values or () for each in (known if value in known else (value,)))
            return list(dict.fromkeys(expanded))
        return values

    def _principals(self, written: str) -> Iterable[str]:
        """A principal in each trust domain, if it names one of them or Istio's default."""
        domain, *account = written.split("/")
        if len(account) != _PARTS_OF_A_PRINCIPAL - 1 or domain == "*":
            return (written,)
        if domain != TRUST_DOMAIN and not any(_match(domain, known) for known in self.domains):
            return (written,)
        return dict.fromkeys(
            written
            if domain.startswith("*") and known.endswith(domain.removeprefix("*"))
            else "/".join((known, *account))
            for known in self.domains
        )


DEFAULT_TRUST = Trust()


def _match(one: str, other: str) -> bool:
    """Whether one of two names, which may begin or end with a star, covers the other."""
    return fnmatchcase(one, other) or fnmatchcase(other, one)
