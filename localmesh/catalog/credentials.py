"""Credentials: the Secrets that Gateways and DestinationRules name, by istiod's rules for them.

istiod: pilot/pkg/model/credentials/resource.go (names), pilot/pkg/credentials/kube/secrets.go (keys).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from localmesh.catalog.certificates import authority_fault, pair_fault
from localmesh.catalog.config_data import ConfigData, ConfigKind

CA_SUFFIX = "-cacert"
"""What the name of a credential ends with where only its CA is used."""

_SCHEMES: Mapping[str, ConfigKind] = {
    "kubernetes://": "Secret",
    "kubernetes-gateway://": "Secret",
    "configmap://": "ConfigMap",
}
_DEFAULT_SCHEME = "kubernetes://"
_NEEDS_NAMESPACE = ("kubernetes-gateway://", "configmap://")
_PAIRS = (("cert", "key"), ("tls.crt", "tls.key"))
_AUTHORITIES = (("cacert", "crl"), ("ca.crt", "ca.crl"))
_STAPLE = "tls.ocsp-staple"

FILE_PAIR = "file-cert:"
FILE_AUTHORITY = "file-root:"
"""How resource names begin that are paths of files instead of objects."""

Keys = Mapping[str, bytes]
MountedFile = Callable[[str], bytes | None]
"""The content of a file that the manifests mount at a path; None where they mount none."""
Tls = Mapping[str, Any]
"""TLS settings as manifests write them (Istio, "Gateway", `ServerTLSSettings`)."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential by the name with which Envoy asks for it, and the parts of it that are there.

    `certificate` and `private_key` are there for a name without the suffix, `authority` for one with it.
    """

    name: str
    certificate: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    authority: bytes = b""
    staple: bytes = b""
    revoked: bytes = b""
    paths: tuple[str, ...] = ()
    """Files of this machine instead of all of these: a certificate and its key, or a CA."""

    @property
    def fault(self) -> str:
        """Why Envoy would reject it; empty if it would not, or if it is in files."""
        if self.paths:
            return ""
        if self.authority:
            return authority_fault(self.authority)
        return pair_fault(self.certificate, self.private_key)


@dataclass(frozen=True, slots=True)
class Reference:
    """The Secret or ConfigMap that a credential's name means."""

    kind: ConfigKind
    namespace: str
    name: str


def resource_name(credential_name: str) -> str:
    """The name with which Envoy asks for a credential.

    >>> resource_name("shop-cert"), resource_name("configmap://shop/root")
    ('kubernetes://shop-cert', 'configmap://shop/root')
    """
    if credential_name.startswith(tuple(_SCHEMES)):
        return credential_name
    return f"{_DEFAULT_SCHEME}{credential_name}"


def reference(name: str, namespace: str) -> Reference | None:
    """What a resource name means for a proxy of a namespace; None if it means nothing, or nothing that
    the proxy may read.

    A proxy reads the Secrets of its own namespace only, but any ConfigMap, as a CA is not secret.
    """
    scheme = next((scheme for scheme in _SCHEMES if name.startswith(scheme)), "")
    owner, slash, bare = name.removeprefix(scheme).partition("/")
    if not slash:
        owner, bare = namespace, owner
        if scheme in _NEEDS_NAMESPACE:
            return None
    if not scheme or not owner or not bare:
        return None
    kind = _SCHEMES[scheme]
    if kind == "Secret" and owner != namespace:
        return None
    return Reference(kind, owner, bare.partition("/")[0])


def credential(config: ConfigData, name: str, namespace: str) -> Credential | None:
    """The credential that a proxy of a namespace gets for a resource name; None where there is none."""
    wanted = reference(name, namespace)
    if wanted is None:
        return None
    if wanted.kind == "ConfigMap":
        keys = config.of(wanted.kind, wanted.namespace, wanted.name.removesuffix(CA_SUFFIX))
        return _authority(name, keys or {})
    keys = config.of(wanted.kind, wanted.namespace, wanted.name)
    if not wanted.name.endswith(CA_SUFFIX):
        return _pair(name, keys or {})
    if keys is None:
        keys = config.of(wanted.kind, wanted.namespace, wanted.name.removesuffix(CA_SUFFIX))
    return _authority(name, keys or {})


def _pair(name: str, keys: Keys) -> Credential | None:
    for certificate, private_key in _PAIRS:
        if keys.get(certificate) and keys.get(private_key):
            staple = keys.get(_STAPLE, b"") if certificate == "tls.crt" else b""
            return Credential(name, keys[certificate], keys[private_key], staple=staple)
    return None


def _authority(name: str, keys: Keys) -> Credential | None:
    for authority, revoked in _AUTHORITIES:
        if keys.get(authority):
            return Credential(name, authority=keys[authority], revoked=keys.get(revoked, b""))
    return None


def has_credentials(tls: Tls) -> bool:
    """Whether a server gets its certificates from Secrets, and not from files."""
    return bool(tls.get("credentialName") or tls.get("credentialNames"))


def certificate_names(tls: Tls) -> list[str]:
    """The resource names of the certificates of a server; those of files have Istio's own form."""
    if has_credentials(tls):
        return [resource_name(name) for name in _credential_names(tls)]
    pairs = tls.get("tlsCertificates") or [tls]
    return [f"{FILE_PAIR}{pair['serverCertificate']}~{pair['privateKey']}" for pair in pairs]


def authority_name(tls: Tls) -> str:
    """The resource name of the CA that a server verifies its clients with, if it does."""
    if not has_credentials(tls):
        return f"{FILE_AUTHORITY}{tls.get('caCertificates', '')}"
    return resource_name(tls.get("caCertCredentialName") or f"{_credential_names(tls)[0]}{CA_SUFFIX}")


def _credential_names(tls: Tls) -> list[str]:
    return list(tls.get("credentialNames") or ()) or [tls["credentialName"]]


def server_names(tls: Tls) -> Iterator[str]:
    """The resource names of all that a server which terminates TLS needs, beside the proxy's certificate."""
    if tls.get("mode") == "ISTIO_MUTUAL":
        return
    yield from certificate_names(tls)
    if tls.get("mode") in ("MUTUAL", "OPTIONAL_MUTUAL"):
        yield authority_name(tls)


# -- DestinationRules ---------------------------------------------------------------------------------

NO_CREDENTIAL = "invalid://"
"""The credential of a BackendTLSPolicy whose CA cannot be used: no server is trusted."""
SYSTEM = "system"
"""The path that stands for the CAs that the machine trusts."""


def is_public(tls: Tls) -> bool:
    """Whether a rule names a ConfigMap, which every proxy may read, and not a Secret."""
    return bool(tls["credentialName"].startswith("configmap://"))


def client_certificate_name(tls: Tls) -> str:
    """The resource name of the certificate that a proxy has as a client (mode MUTUAL)."""
    if tls.get("credentialName"):
        return resource_name(tls["credentialName"])
    return f"{FILE_PAIR}{tls.get('clientCertificate', '')}~{tls.get('privateKey', '')}"


def client_authority_name(tls: Tls) -> str:
    """The resource name of the CA that a proxy verifies a server with."""
    if tls.get("credentialName") == NO_CREDENTIAL:
        return NO_CREDENTIAL
    if tls.get("credentialName"):
        return resource_name(f"{tls['credentialName']}{CA_SUFFIX}")
    return f"{FILE_AUTHORITY}{tls.get('caCertificates') or SYSTEM}"


def client_names(tls: Tls) -> Iterator[str]:
    """The resource names of all that a client needs beside the proxy's own certificate."""
    mode = tls.get("mode")
    if mode == "MUTUAL":
        yield client_certificate_name(tls)
    if mode in ("SIMPLE", "MUTUAL") and not tls.get("insecureSkipVerify"):
        yield client_authority_name(tls)


def is_for_any(name: str) -> bool:
    """Whether any proxy may have the credential of a resource name: a ConfigMap, or files of its own."""
    return name.startswith(("configmap://", FILE_PAIR, FILE_AUTHORITY))


def credentials(
    config: ConfigData, names: Iterable[str], namespace: str, mounted: MountedFile | None = None
) -> tuple[Credential, ...]:
    """The credentials of these names that a proxy of a namespace gets, without those that Envoy rejects.

    In Istio a rejected secret is as good as a missing one: nothing else of the proxy is affected. `mounted`
    has the content of files that the manifests mount into the proxy's pod.
    """
    found = (
        _of_files(name, mounted)
        if name.startswith((FILE_PAIR, FILE_AUTHORITY))
        else credential(config, name, namespace)
        for name in dict.fromkeys(names)
    )
    return tuple(item for item in found if item is not None and not item.fault)


def _of_files(name: str, mounted: MountedFile | None) -> Credential:
    """The credential of paths: what is mounted there, or the files of this machine."""
    paths = name.removeprefix(FILE_AUTHORITY).removeprefix(FILE_PAIR).split("~")
    contents = [mounted(path) if mounted else None for path in paths]
    if None in contents:
        return Credential(name, paths=tuple(paths))
    first, *rest = (content or b"" for content in contents)
    if rest:
        return Credential(name, certificate=first, private_key=rest[0])
    return Credential(name, authority=first)
