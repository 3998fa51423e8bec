"""Credentials that Gateways name: Secrets in the namespace of the gateway's pods, with the expected keys."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.catalog import Catalog
from localmesh.catalog.credentials import (
    CA_SUFFIX,
    authority_name,
    certificate_names,
    credential,
    has_credentials,
    reference,
)
from localmesh.catalog.gateways import selector
from localmesh.kinds.config_map import SECRET
from localmesh.kinds.gateway import GATEWAY
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed

_VERIFYING = frozenset({"MUTUAL", "OPTIONAL_MUTUAL"})
_TERMINATING = _VERIFYING | {"SIMPLE"}
_PAIR_KEYS = "tls.crt and tls.key, or cert and key"
_AUTHORITY_KEYS = "ca.crt or cacert"


def credentials(catalog: Catalog) -> Iterator[Problem]:
    """All servers of Gateways that terminate TLS, for each gateway that serves them."""
    for gateway in catalog.objects.of(GATEWAY):
        wanted = selector(gateway)
        namespaces = {
            workload.namespace: workload.name
            for workload in catalog.gateways
            if wanted.items() <= workload.labels.items()
        }
        for server in gateway.root.get("spec", "servers").items():
            tls = server.get("tls")
            if tls.get("mode").text in _TERMINATING and has_credentials(tls.value):
                for namespace, proxy in namespaces.items():
                    for field, name in _named(tls):
                        yield from _missing(field, name, (namespace, proxy), catalog)


def _named(tls: Field) -> Iterator[tuple[Field, str]]:
    """The fields of a server that name credentials, each with the resource name of what it asks for."""
    fields = list(tls.get("credentialNames").items()) or [tls.get("credentialName")]
    yield from zip(fields, certificate_names(tls.value), strict=True)
    if tls.get("mode").text in _VERIFYING:
        yield tls.get("caCertCredentialName") or fields[0], authority_name(tls.value)


def _missing(field: Field, name: str, of: tuple[str, str], catalog: Catalog) -> Iterator[Problem]:
    """The problem of a credential that a gateway, of that namespace and name, does not get."""
    namespace, proxy = of
    found = credential(catalog.config, name, namespace)
    reason = found.fault if found else _reason(name, namespace, catalog)
    if reason:
        yield field.problem(
            warnings.MISSING_CREDENTIAL,
            proxy=f"the gateway {proxy}",
            reason=reason,
            effect="clients of these hosts cannot connect",
            remedy=f"define the Secret in {namespace}, where the gateway's pods are; "
            "`localmesh certificate` makes one for tests",
        )


def _reason(name: str, namespace: str, catalog: Catalog) -> str:
    """Why there is no credential of a resource name."""
    wanted = reference(name, namespace)
    if wanted is None:
        return f"the gateway reads Secrets of its own namespace {namespace} only"
    is_authority = wanted.name.endswith(CA_SUFFIX)
    bare = wanted.name.removesuffix(CA_SUFFIX)
    names = (wanted.name, bare) if is_authority else (bare,)
    expected = _AUTHORITY_KEYS if is_authority else _PAIR_KEYS
    for candidate in names:
        keys = catalog.config.of(wanted.kind, wanted.namespace, candidate)
        if keys is not None:
            return f"{wanted.kind} {wanted.namespace}/{candidate} has {listed(keys)}, and not {expected}"
    elsewhere = [secret.namespace for secret in catalog.objects.of(SECRET) if secret.name in names]
    hint = f" (there is one in {listed(elsewhere)})" if elsewhere else ""
    return f"there is no {wanted.kind} {wanted.namespace}/{bare}{hint}"
