"""Credentials that Gateways, Ingresses and DestinationRules name: Secrets, ConfigMaps and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localmesh.catalog import Catalog, GatewayWorkload
from localmesh.catalog.credentials import (
    CA_SUFFIX,
    authority_name,
    certificate_names,
    client_names,
    credential,
    has_credentials,
    is_public,
    reference,
)
from localmesh.catalog.gateways import selector
from localmesh.catalog.ingresses import reason_to_ignore
from localmesh.catalog.mounted_files import mounted_file
from localmesh.kinds.config_map import SECRET
from localmesh.kinds.destination_rule import DESTINATION_RULE
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.ingress import INGRESS
from localmesh.manifests import Resource
from localmesh.problems import Problem
from localmesh.problems.codes import warnings
from localmesh.problems.fields import Field, listed

_VERIFYING = frozenset({"MUTUAL", "OPTIONAL_MUTUAL"})
_TERMINATING = _VERIFYING | {"SIMPLE"}
_PAIR_KEYS = "tls.crt and tls.key, or cert and key"
_AUTHORITY_KEYS = "ca.crt or cacert"
_FILES = ("serverCertificate", "privateKey", "caCertificates")


def credentials(catalog: Catalog) -> Iterator[Problem]:
    """Servers of Gateways that terminate TLS, Ingresses with TLS, and DestinationRules with credentials."""
    for gateway in catalog.objects.of(GATEWAY):
        wanted = selector(gateway)
        workloads = [of for of in catalog.gateways if wanted.items() <= of.labels.items()]
        for server in gateway.root.get("spec", "servers").items():
            tls = server.get("tls")
            if tls.get("mode").text in _TERMINATING:
                check = _secrets if has_credentials(tls.value) else _files
                for workload in workloads:
                    yield from check(tls, workload, catalog)
    yield from _of_ingresses(catalog)
    for rule in catalog.objects.of(DESTINATION_RULE):
        selects = bool(rule.root.get("spec", "workloadSelector"))
        for tls in _client_settings(rule.root.get("spec")):
            if tls.get("credentialName").text and any(client_names(tls.value)):
                of_rule = _of_selected if selects and not is_public(tls.value) else _of_client
                yield from of_rule(tls, rule, catalog)


# -- servers -----------------------------------------------------------------------------------------


def _of_ingresses(catalog: Catalog) -> Iterator[Problem]:
    """The Secrets of Ingresses that their gateway does not get: it reads those of its own namespace."""
    settings = catalog.mesh_config
    workloads = [of for of in catalog.gateways if of.labels.get("istio") == settings.ingress_gateway]
    for ingress in catalog.objects.of(INGRESS):
        if not reason_to_ignore(ingress, catalog.objects, settings):
            for entry in ingress.root.get("spec", "tls").items():
                secret = entry.get("secretName")
                for name in certificate_names({"credentialName": secret.text}) if secret.text else ():
                    for workload in workloads:
                        yield from _missing(secret, name, workload, catalog)


def _secrets(tls: Field, workload: GatewayWorkload, catalog: Catalog) -> Iterator[Problem]:
    """The credentials of a server that a gateway does not get."""
    for field, name in _named(tls):
        yield from _missing(field, name, workload, catalog)


def _missing(field: Field, name: str, workload: GatewayWorkload, catalog: Catalog) -> Iterator[Problem]:
    if reason := _reason(name, workload.namespace, catalog):
        yield field.problem(
            warnings.MISSING_CREDENTIAL,
            proxy=f"the gateway {workload.name}",
            reason=reason,
            effect="clients of these hosts cannot connect",
            remedy=f"define the Secret in {workload.namespace}, where the gateway's pods are; "
            "`localmesh certificate` makes one for tests",
        )


def _named(tls: Field) -> Iterator[tuple[Field, str]]:
    """The fields of a server that name credentials, each with the resource name of what it asks for."""
    fields = list(tls.get("credentialNames").items()) or [tls.get("credentialName")]
    yield from zip(fields, certificate_names(tls.value), strict=True)
    if tls.get("mode").text in _VERIFYING:
        yield tls.get("caCertCredentialName") or fields[0], authority_name(tls.value)


def _files(tls: Field, workload: GatewayWorkload, catalog: Catalog) -> Iterator[Problem]:
    """The files of a server that are neither mounted into a gateway's pods nor on this machine."""
    for settings in (tls, *tls.get("tlsCertificates").items()):
        for name in _FILES:
            path = settings.get(name)
            if path.text and mounted_file(workload.workload, catalog.config, path.text) is None:
                if Path(path.text).is_file():
                    continue
                yield path.problem(
                    warnings.MISSING_CREDENTIAL,
                    proxy=f"the gateway {workload.name}",
                    reason="no Secret or ConfigMap is mounted there, and there is no such file",
                    effect="clients of these hosts cannot connect",
                    remedy="mount a Secret there, or name one in credentialName",
                )


# -- clients -----------------------------------------------------------------------------------------


def _client_settings(spec: Field) -> Iterator[Field]:
    for policy in (spec.get("trafficPolicy"), *_policies(spec.get("subsets"))):
        for settings in (policy, *policy.get("portLevelSettings").items()):
            if tls := settings.get("tls"):
                yield tls


def _policies(subsets: Field) -> Iterator[Field]:
    return (subset.get("trafficPolicy") for subset in subsets.items())


def _of_selected(tls: Field, rule: Resource, catalog: Catalog) -> Iterator[Problem]:
    """A credential that the callers which the rule selects do not get."""
    reasons = (_reason(name, rule.namespace, catalog) for name in client_names(tls.value))
    if reason := next(filter(None, reasons), ""):
        yield tls.get("credentialName").problem(
            warnings.MISSING_CREDENTIAL,
            proxy="the callers that the rule selects",
            reason=reason,
            effect=f"requests to {rule.spec['host']} get 503",
            remedy=f"define the Secret in {rule.namespace}, where these callers are",
        )


def _of_client(tls: Field, rule: Resource, catalog: Catalog) -> Iterator[Problem]:
    """A credential that no gateway gets: sidecars get no Secrets of rules that select no callers."""
    host = rule.spec["host"]
    namespaces = {of.namespace: of.name for of in catalog.gateways if of.servers}
    proxy, effect = "a gateway", f"sidecars send plain text to {host}"
    remedy = "send the requests through an egress gateway, or select callers with workloadSelector"
    if is_public(tls.value):
        namespaces, proxy = {"": ""}, "the proxies"
        effect, remedy = f"requests to {host} get 503", "define the ConfigMap"
    reasons = ["no gateway runs, and sidecars get Secrets only with a workloadSelector"]
    for namespace in namespaces:
        found = [_reason(name, namespace, catalog) for name in client_names(tls.value)]
        reasons = list(filter(None, found))
        if not reasons:
            return
        effect = f"requests to {host} get 503"
        remedy = f"define the Secret in {namespace}" if namespace else remedy
    yield tls.get("credentialName").problem(
        warnings.MISSING_CREDENTIAL, proxy=proxy, reason=reasons[0], effect=effect, remedy=remedy
    )


# -- both --------------------------------------------------------------------------------------------


def _reason(name: str, namespace: str, catalog: Catalog) -> str:
    """Why a proxy of a namespace gets no credential of a resource name; empty if it does."""
    found = credential(catalog.config, name, namespace)
    if found is not None:
        return found.fault
    wanted = reference(name, namespace)
    if wanted is None:
        return f"a proxy reads Secrets of its own namespace {namespace} only"
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
