"""TLS of a Gateway's servers (istio: validateServer, validateTLSOptions)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed, quoted

HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc", "grpc-web", "http_proxy"})
TLS_PROTOCOLS = frozenset({"https", "tls"})
PROTOCOLS = HTTP_PROTOCOLS | TLS_PROTOCOLS | {"tcp", "udp", "mongo", "redis", "mysql"}

_WITHOUT_TERMINATION = frozenset({None, "PASSTHROUGH", "AUTO_PASSTHROUGH"})
_ISTIO_MUTUAL = "ISTIO_MUTUAL"
_WITH_CLIENT_CERTIFICATE = frozenset({"MUTUAL", "OPTIONAL_MUTUAL"})
_FILES = ("caCertificates", "privateKey", "serverCertificate")
_SOURCES = ("credentialName", "credentialNames", "tlsCertificates", "serverCertificate")
_CREDENTIALS = ("credentialName", "credentialNames")
_HASHES = {
    "verifyCertificateHash": (re.compile(r"(?:[0-9A-Fa-f]{2}:?){32}\Z"), "a SHA-256 digest in hexadecimal"),
    "verifyCertificateSpki": (re.compile(r"[A-Za-z0-9+/]{43}=\Z"), "a SHA-256 digest in base64"),
}


def server_tls(server: Field) -> Iterator[Problem]:
    """The TLS of a server is what its protocol needs, and complete."""
    protocol = (server.get("port", "protocol").text or "").lower()
    tls = server.get("tls")
    if protocol in TLS_PROTOCOLS and not tls:
        yield server.problem(
            invalid.BAD_SERVER,
            found=f"the protocol is {protocol.upper()} and there is no tls",
            expected="tls with a mode",
            remedy="add tls.mode, and for SIMPLE and MUTUAL a credentialName",
        )
    elif tls and protocol in PROTOCOLS - TLS_PROTOCOLS:
        passes = protocol in HTTP_PROTOCOLS and tls.get("mode").text in _WITHOUT_TERMINATION
        if not passes or any(tls.get(field).text for field in _FILES):
            yield tls.problem(
                invalid.BAD_SERVER,
                found=f"tls on a port with the protocol {protocol.upper()}",
                expected="tls.httpsRedirect only, or the protocol HTTPS or TLS",
                remedy="write protocol: HTTPS, or remove tls",
            )
    if tls:
        yield from _options(tls)


def _options(tls: Field) -> Iterator[Problem]:
    mode = tls.get("mode").text
    if mode == _ISTIO_MUTUAL:
        yield from _own_certificate(tls)
        return
    sources = [name for name in _SOURCES if tls.get(name).value]
    if "serverCertificate" in sources and not tls.get("privateKey").text:
        sources.remove("serverCertificate")
    if len(sources) > 1:
        yield tls.problem(invalid.EXCLUSIVE_FIELDS, found=listed(sources), expected=listed(_SOURCES))
    if mode not in _WITHOUT_TERMINATION and not any(tls.get(name).value for name in _CREDENTIALS):
        yield from _certificate_files(tls, mode or "")
    names = tls.get("subjectAltNames")
    if mode == "SIMPLE" and len(names) and any(tls.get(name).value for name in _CREDENTIALS):
        # Istio accepts it, and then Envoy rejects the whole listener
        yield names.problem(
            invalid.BAD_SERVER,
            found="subjectAltNames with the mode SIMPLE, which does not verify clients",
            expected="the mode MUTUAL or OPTIONAL_MUTUAL",
            remedy="remove subjectAltNames, or write mode: MUTUAL",
        )
    yield from _hashes(tls)


def _own_certificate(tls: Field) -> Iterator[Problem]:
    """ISTIO_MUTUAL uses the certificate that the proxy has from the mesh."""
    for name in (*_CREDENTIALS, "tlsCertificates", *_FILES):
        field = tls.get(name)
        if field.value:
            yield field.problem(
                invalid.BAD_SERVER,
                found=f"{name} with the mode {_ISTIO_MUTUAL}",
                expected="no certificate: the gateway uses its own",
                remedy=f"remove {name}, or write mode: SIMPLE or MUTUAL",
            )


def _certificate_files(tls: Field, mode: str) -> Iterator[Problem]:
    """Without a credential, the certificate, its key and for MUTUAL the CA are files of the gateway."""
    if mode in _WITH_CLIENT_CERTIFICATE and not tls.get("caCertificates").text:
        yield tls.problem(
            invalid.BAD_SERVER,
            found=f"mode {mode} without a CA to verify clients with",
            expected="a credentialName, whose Secret has ca.crt, or caCertificates",
            remedy="add tls.credentialName",
        )
    certificates = list(tls.get("tlsCertificates").items()) or [tls]
    for certificate in certificates:
        if not certificate.get("serverCertificate").text or not certificate.get("privateKey").text:
            yield certificate.problem(
                invalid.BAD_SERVER,
                found=f"mode {mode} without a certificate",
                expected="a credentialName, or serverCertificate and privateKey",
                remedy="add tls.credentialName",
            )


def _hashes(tls: Field) -> Iterator[Problem]:
    """Istio accepts any text as a hash, and then Envoy rejects the whole listener."""
    for name, (form, words) in _HASHES.items():
        for entry in tls.get(name).items():
            if entry.text is not None and not form.match(entry.text):
                yield entry.problem(
                    invalid.BAD_SERVER,
                    found=f"the hash {quoted(entry.value)}",
                    expected=words,
                    remedy="write the digest of the client's certificate",
                )
