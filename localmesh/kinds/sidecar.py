"""Sidecar: its record and what Istio requires of it (istio: ValidateSidecar)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_label, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, REMOVE_FIELD, Kind
from localmesh.kinds.rules.metadata import label_problems
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def selector(root: Field) -> Iterator[Problem]:
    """The selector consists of valid labels."""
    yield from label_problems(root.get("spec", "workloadSelector", "labels"))


def content(root: Field) -> Iterator[Problem]:
    """A Sidecar sets something."""
    spec = root.get("spec")
    settings = ("outboundTrafficPolicy", "inboundConnectionPool")
    if not any(len(spec.get(listeners)) for listeners in _LISTENERS) and not any(map(spec.get, settings)):
        yield spec.problem(
            invalid.EMPTY_BLOCK, expected="egress, ingress, outboundTrafficPolicy and inboundConnectionPool"
        )


def catch_all(root: Field) -> Iterator[Problem]:
    """The egress listener without a port, which catches all others, is the last one."""
    for listener in list(root.get("spec", "egress").items())[:-1]:
        if not listener.get("port"):
            yield listener.problem(
                invalid.MISSING_FIELD,
                name="port",
                why=", which only the last egress listener may leave out",
                remedy="merge the listeners without a port, as the last one",
            )


def egress(root: Field) -> Iterator[Problem]:
    """Every egress listener imports hosts, each with a namespace."""
    for listener in root.get("spec", "egress").items():
        if not len(listener.get("hosts")):
            remedy = 'add hosts, such as "./*"'
            yield listener.problem(invalid.MISSING_FIELD, name="hosts", why="", remedy=remedy)
        for host in listener.get("hosts").items():
            if host.text is not None and not _is_import(host.text):
                yield host.problem(
                    invalid.BAD_HOST,
                    expected="namespace/host, such as ./* or */*.example.com, with a full name or a wildcard",
                    remedy="correct the entry",
                )


def _is_import(text: str) -> bool:
    namespace, slash, name = text.partition("/")
    namespace = namespace.removeprefix("~")
    right_namespace = namespace in ("", "*", ".") if text.startswith("~") else namespace in ("*", ".")
    is_full = name == "*" or "." in name
    return bool(slash) and (right_namespace or is_label(namespace)) and is_full and is_wildcard_domain(name)


_LISTENERS = ("egress", "ingress")
_ONE_LISTENER = "remove it: a sidecar has one outbound port for all hosts"

SIDECAR = Kind(
    group=NETWORKING,
    name="Sidecar",
    versions=NETWORKING_VERSIONS,
    plural="sidecars",
    rules=(selector, content, catch_all, egress),
    unsupported_fields={
        "spec.egress[].bind": _ONE_LISTENER,
        "spec.egress[].captureMode": _ONE_LISTENER,
        "spec.egress[].port": _ONE_LISTENER,
        "spec.inboundConnectionPool": "write connectionPool in a DestinationRule for the Service",
        "spec.ingress": "remove it: a sidecar listens on the target ports of Services",
        "spec.outboundTrafficPolicy.egressProxy": REMOVE_FIELD,
    },
)
