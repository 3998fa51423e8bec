"""Values in matches and policies that no request has: Istio accepts them, and they never match."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.analysis.object_checks import once_per_object
from localmesh.catalog import Catalog
from localmesh.catalog.trust import SPIFFE
from localmesh.kinds.authorization_policy import AUTHORIZATION_POLICY
from localmesh.kinds.virtual_service import VIRTUAL_SERVICE
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


def never_matching(catalog: Catalog) -> Iterator[Problem]:
    """Methods in lower case, principals with a scheme, paths with a query or without a slash at the start."""
    for resource in catalog.objects.of(AUTHORIZATION_POLICY):
        yield from _authorization_policy(resource)
    for resource in catalog.objects.of(VIRTUAL_SERVICE):
        yield from _virtual_service(resource)


@once_per_object
def _authorization_policy(resource: Resource) -> Iterator[Problem]:
    for rule in resource.root.get("spec", "rules").items():
        yield from _rule(rule)


@once_per_object
def _virtual_service(resource: Resource) -> Iterator[Problem]:
    for route in resource.root.get("spec", "http").items():
        for match in route.get("match").items():
            for kind in ("exact", "prefix"):
                yield from _method(match.get("method", kind))
                yield from _path(match.get("uri", kind))


def _rule(rule: Field) -> Iterator[Problem]:
    for origin in rule.get("from").items():
        for principal in _values(origin.get("source"), "principals", "notPrincipals"):
            yield from _principal(principal)
    for target in rule.get("to").items():
        for method in _values(target.get("operation"), "methods", "notMethods"):
            yield from _method(method)
        for path in _values(target.get("operation"), "paths", "notPaths"):
            yield from _path(path)
    for condition in rule.get("when").items():
        if condition.get("key").text == "source.principal":
            for principal in _values(condition, "values", "notValues"):
                yield from _principal(principal)


def _values(block: Field, *names: str) -> Iterator[Field]:
    for name in names:
        yield from block.get(name).items()


def _principal(principal: Field) -> Iterator[Problem]:
    """Istio writes the scheme before every principal, whether or not it has one (StringMatcherWithPrefix)."""
    name = principal.text or ""
    if name.startswith(SPIFFE):
        reason = f"principals are written without {SPIFFE}"
        remedy = f"write {name.removeprefix(SPIFFE)}"
        yield principal.problem(warnings.NEVER_MATCHES, reason=reason, remedy=remedy)


def _method(method: Field) -> Iterator[Problem]:
    """Istio compares methods with their case, and Envoy rejects requests with unknown methods."""
    name = method.text or ""
    if name not in _METHODS and name.upper() in _METHODS:
        reason, remedy = "methods are case-sensitive", f"write {name.upper()}"
        yield method.problem(warnings.NEVER_MATCHES, reason=reason, remedy=remedy)


def _path(path: Field) -> Iterator[Problem]:
    """The path of a request starts with a slash; a wildcard at the start may stand for it."""
    name = path.text or ""
    if name and not name.startswith(("/", "*", "{")):
        reason, remedy = "paths start with a slash", f"write /{name}"
        yield path.problem(warnings.NEVER_MATCHES, reason=reason, remedy=remedy)
    elif "?" in name:
        reason = "paths are compared without the query"
        remedy = f"write {name.partition('?')[0]}, and queryParams of VirtualServices for the rest"
        yield path.problem(warnings.NEVER_MATCHES, reason=reason, remedy=remedy)
