"""TLS of DestinationRules (istio: pkg/config/validation/agent, ValidateTLS)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_CONFIG_MAP = "configmap://"
_FILES = ("clientCertificate", "privateKey", "caCertificates", "caCrl")


def client_tls(tls: Field) -> Iterator[Problem]:
    """The TLS settings of a traffic policy are complete and do not contradict each other."""
    credential = tls.get("credentialName")
    if (credential.text or "").startswith(_CONFIG_MAP):
        yield from _config_map(credential)
    mode = tls.get("mode").text
    if mode not in ("SIMPLE", "MUTUAL"):
        return
    if tls.get("insecureSkipVerify").value is True:
        yield from _unverified(tls, mode)
    if credential.text:
        files = [name for name in _FILES if tls.get(name).text]
        if files:
            yield tls.problem(
                invalid.EXCLUSIVE_FIELDS,
                found=listed(["credentialName", *files]),
                expected="credentialName, or files",
            )
    elif mode == "MUTUAL":
        for name in ("clientCertificate", "privateKey"):
            if not tls.get(name).text:
                yield tls.problem(
                    invalid.MISSING_FIELD,
                    name=name,
                    why=", which the mode MUTUAL needs",
                    remedy="add tls.credentialName, or clientCertificate and privateKey",
                )


def _unverified(tls: Field, mode: str) -> Iterator[Problem]:
    """Who does not verify the server needs nothing to verify it with."""
    names = ("caCertificates", *(("credentialName",) if mode == "SIMPLE" else ()))
    written = [name for name in names if tls.get(name).text]
    if len(tls.get("subjectAltNames")):
        written.append("subjectAltNames")
    if written:
        yield tls.problem(
            invalid.EXCLUSIVE_FIELDS,
            found=listed(["insecureSkipVerify", *written]),
            expected=f"insecureSkipVerify and {listed((*names, 'subjectAltNames'), 'or')}",
        )


def _config_map(credential: Field) -> Iterator[Problem]:
    namespace, slash, name = (credential.text or "").removeprefix(_CONFIG_MAP).partition("/")
    own = credential.place.namespace
    if not slash or not name or namespace != own:
        yield credential.problem(
            invalid.BAD_NAME, expected=f"a ConfigMap of the rule's namespace, {_CONFIG_MAP}{own}/NAME"
        )
