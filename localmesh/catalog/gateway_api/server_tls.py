"""The TLS of a listener as that of an Istio server (istiod: conversion.go, `buildTLS`)."""

from __future__ import annotations

from typing import Any

from localmesh.catalog.certificates import authority_fault, pair_fault
from localmesh.catalog.gateway_api.conditions import Failure
from localmesh.catalog.gateway_api.inputs import (
    CONFIG_MAP_KIND,
    GATEWAY_KIND,
    LISTENER_SET_KIND,
    SECRET_KIND,
    Block,
    Inputs,
    Kinded,
    kinded,
)
from localmesh.kinds.gateway_api import KUBERNETES_GATEWAY
from localmesh.manifests import Resource

Json = dict[str, Any]

_MODE = "gateway.istio.io/tls-terminate-mode"
_CIPHERS = "gateway.istio.io/tls-cipher-suites"
_AUTO_PASSTHROUGH = "gateway.istio.io/listener-protocol"
_CA_SUFFIX = "-cacert"
_MOST_CERTIFICATES = 2
_PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))


def server_tls(
    inputs: Inputs, owner: Resource, gateway: Resource, listener: Block, port: int
) -> tuple[Json | None, Failure | None]:
    """The `tls` block of a listener's server, and why its references cannot be used, if so."""
    tls = listener.get("tls")
    if not tls:
        return None, None
    options = tls.get("options") or {}
    if tls.get("mode", "Terminate") == "Passthrough":
        is_auto = options.get(_AUTO_PASSTHROUGH) == "auto-passthrough"
        return _with_ciphers({"mode": "AUTO_PASSTHROUGH" if is_auto else "PASSTHROUGH"}, options), None
    asked = options.get(_MODE)
    if asked == "ISTIO_MUTUAL":
        return {"mode": "ISTIO_MUTUAL"}, None
    if asked == "ISTIO_SIMPLE":
        return {"mode": "SIMPLE", "credentialName": "builtin://"}, None
    out: Json = {"mode": asked if asked in ("MUTUAL", "OPTIONAL_MUTUAL") else "SIMPLE"}
    failure = _certificates(inputs, owner, tls, out)
    if failure is None:
        failure = _client_certificates(inputs, owner, _validation(gateway, port), asked, out)
    return (out, failure) if failure else (_with_ciphers(out, options), None)


def _with_ciphers(tls: Json, options: Block) -> Json:
    ciphers = [name.strip() for name in options.get(_CIPHERS, "").split(",") if name.strip()]
    return {**tls, "cipherSuites": ciphers} if ciphers else tls


def _certificates(inputs: Inputs, owner: Resource, tls: Block, out: Json) -> Failure | None:
    """Adds the certificates that can be used; a failure if none can."""
    references = tls.get("certificateRefs") or ()
    if len(references) > _MOST_CERTIFICATES:
        return Failure("InvalidCertificateRef", "TLS mode can only support up to 2 server certificates")
    names: list[str] = []
    failure: Failure | None = None
    for reference in references:
        name, of_reference = _certificate(inputs, owner, reference)
        if of_reference is None:
            names.append(name)
        else:
            failure = failure.joined(of_reference) if failure else of_reference
    if not names:
        return failure or Failure("InvalidCertificateRef", "")
    out |= {"credentialName": names[0]} if len(names) == 1 else {"credentialNames": names}
    return None


def _certificate(inputs: Inputs, owner: Resource, reference: Block) -> tuple[str, Failure | None]:
    namespace, name = reference.get("namespace", owner.namespace), reference["name"]
    # the reference as it is after the API server has filled in its defaults
    words = _words({"kind": "Secret", **reference})
    start = f"invalid certificate reference {words}, "
    if kinded(reference, SECRET_KIND) != SECRET_KIND:
        return "", Failure("InvalidCertificateRef", f"{start}only secret is allowed")
    secret = inputs.secret(namespace, name)
    if secret is None:
        return "", Failure("InvalidCertificateRef", f"{start}secret {namespace}/{name} not found")
    if fault := _pair_fault(inputs, secret):
        return "", Failure("InvalidCertificateRef", f"{start}{fault}")
    if not _may_read(inputs, owner, SECRET_KIND, namespace, name):
        return "", Failure(
            "RefNotPermitted",
            f"certificateRef {name}/{namespace} not accessible to a Gateway in namespace "
            f'"{owner.namespace}" (missing a ReferenceGrant?)',
        )
    return f"kubernetes-gateway://{namespace}/{name}", None


def _pair_fault(inputs: Inputs, secret: Resource) -> str:
    """Why a Secret has no usable certificate, in istiod's words as far as they do not depend on the bytes."""
    data = inputs.config.of("Secret", secret.namespace, secret.name) or {}
    for certificate, key in _PAIRS:
        if data.get(certificate) and data.get(key):
            fault = pair_fault(data[certificate], data[key])
            return f"the certificate is malformed: {fault}" if fault else ""
    found = ", ".join(sorted(data))
    return (
        f"found secret, but didn't have expected keys (cert and key) or (tls.crt and tls.key); found: {found}"
    )


def _client_certificates(
    inputs: Inputs, owner: Resource, validation: Block, asked: str | None, out: Json
) -> Failure | None:
    """Adds what clients are verified with (Gateway API, `GatewayTLSConfig.frontend`)."""
    references = validation.get("caCertificateRefs") or ()
    if not references:
        return None
    if len(references) > 1:
        return Failure("InvalidCACertificateRef", "only one caCertificateRef is supported")
    (reference,) = references
    namespace = reference.get("namespace", owner.namespace)
    kind = kinded(reference, CONFIG_MAP_KIND)
    if failure := ca_fault(inputs, reference, namespace):
        return failure
    if not _may_read(inputs, owner, kind, namespace, f"{reference['name']}{_CA_SUFFIX}"):
        return Failure(
            "RefNotPermitted",
            f"caCertificateRef {namespace}/{reference['name']} not accessible to a Gateway in namespace "
            f'"{owner.namespace}" (missing a ReferenceGrant?)',
        )
    scheme = "configmap" if kind == CONFIG_MAP_KIND else "kubernetes-gateway"
    may_fail = validation.get("mode") == "AllowInsecureFallback"
    mode = asked if asked in ("MUTUAL", "OPTIONAL_MUTUAL") else None
    out["mode"] = mode or ("OPTIONAL_MUTUAL" if may_fail else "MUTUAL")
    out["insecureSkipVerify"] = may_fail and mode is None
    out["caCertCredentialName"] = f"{scheme}://{namespace}/{reference['name']}{_CA_SUFFIX}"
    return None


def _validation(gateway: Resource, port: int) -> Block:
    frontend = (gateway.spec.get("tls") or {}).get("frontend") or {}
    for entry in frontend.get("perPort") or ():
        if entry["port"] == port:
            return (entry.get("tls") or {}).get("validation") or {}
    return (frontend.get("default") or {}).get("validation") or {}


def ca_fault(inputs: Inputs, reference: Block, namespace: str) -> Failure | None:
    """Why a Secret or ConfigMap has no usable CA, if it has none."""
    name, kind = reference["name"], kinded(reference, Kinded("", ""))
    start = f"invalid CA certificate reference {_words(reference)}, "
    if kind not in (CONFIG_MAP_KIND, SECRET_KIND):
        return Failure("InvalidCACertificateKind", f"{start}only secret and configmap are allowed")
    find = inputs.config_map if kind == CONFIG_MAP_KIND else inputs.secret
    found = find(namespace, name)
    if found is None:
        what = "configmap" if kind == CONFIG_MAP_KIND else "secret"
        return Failure("InvalidCACertificateRef", f"{start}{what} {namespace}/{name} not found")
    data = inputs.config.of("ConfigMap" if kind == CONFIG_MAP_KIND else "Secret", namespace, name) or {}
    bundle = data.get("cacert") or data.get("ca.crt")
    if not bundle:
        keys = ", ".join(sorted(data))
        return Failure(
            "InvalidCACertificateRef",
            f"{start}found secret, but didn't have expected keys cacert or ca.crt; found: {keys}",
        )
    if authority_fault(bundle):
        return Failure("InvalidCACertificateRef", f"{start}the bundle is malformed")
    return None


def _may_read(inputs: Inputs, owner: Resource, kind: Kinded, namespace: str, name: str) -> bool:
    source = GATEWAY_KIND if owner.is_a(KUBERNETES_GATEWAY) else LISTENER_SET_KIND
    return namespace == owner.namespace or inputs.is_granted(
        source=source, namespace=owner.namespace, target=kind, owner=namespace, name=name
    )


def _words(reference: Block) -> str:
    parts = (reference.get(key, "") for key in ("group", "kind", "name"))
    return f"{'/'.join(parts)}.{reference.get('namespace', '')}"
