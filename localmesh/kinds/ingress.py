"""Ingress and IngressClass: their records, and what the API server requires (Kubernetes, "Ingress")."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_address, is_domain, is_wildcard_domain
from localmesh.kinds.kind import REMOVE_FIELD, Kind
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER = "istio.io/ingress-controller"
"""The controller of the IngressClasses that are Istio's."""

_GROUP = "networking.k8s.io"
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_END = ("/..", "/.")


def content(root: Field) -> Iterator[Problem]:
    """An Ingress has rules or a default backend, and its class is written once."""
    spec = root.get("spec")
    if not len(spec.get("rules")) and not spec.get("defaultBackend"):
        yield (spec or root).problem(invalid.EMPTY_BLOCK, expected="rules and defaultBackend")
    yield from _backend(spec.get("defaultBackend"))


def rules(root: Field) -> Iterator[Problem]:
    """Hosts are names, paths are absolute where they are not for the controller, backends are Services."""
    for rule in root.get("spec", "rules").items():
        yield from _host(rule.get("host"))
        for entry in rule.get("http", "paths").items():
            yield from _path(entry)
            yield from _backend(entry.get("backend"))
    for tls in root.get("spec", "tls").items():
        for host in tls.get("hosts").items():
            yield from _host(host)


def _host(host: Field) -> Iterator[Problem]:
    text = host.text
    if text and (is_address(text) or not (is_domain(text) or is_wildcard_domain(text)) or text == "*"):
        expected = "a DNS name, such as shop.example.com or *.example.com"
        yield host.problem(invalid.BAD_HOST, expected=expected, remedy="correct the name")


def _path(entry: Field) -> Iterator[Problem]:
    kind, path = entry.get("pathType").text, entry.get("path")
    text = path.text or ""
    if kind not in ("Exact", "Prefix", "ImplementationSpecific"):
        yield (entry.get("pathType") or entry).problem(
            invalid.NOT_IN_SET,
            expected="Exact, Prefix or ImplementationSpecific",
            remedy="write one of these",
        )
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            yield path.problem(
                invalid.NOT_IN_SET, expected="a path that starts with /", remedy="write the slash"
            )
    elif (
        not text.startswith("/") or any(part in text for part in _NOT_IN_PATHS) or text.endswith(_NOT_AT_END)
    ):
        expected = "an absolute path without //, /., /.. and %2f"
        yield (path or entry).problem(invalid.NOT_IN_SET, expected=expected, remedy="correct the path")


def _backend(backend: Field) -> Iterator[Problem]:
    if not backend:
        return
    service, resource = backend.get("service"), backend.get("resource")
    both = "service and resource"
    if service and resource:
        yield backend.problem(invalid.EXCLUSIVE_FIELDS, found=both, expected=both)
    elif not service and not resource:
        yield backend.problem(invalid.EMPTY_BLOCK, expected=both)
    port = service.get("port")
    if service and bool(port.get("number").integer) == bool(port.get("name").text):
        yield (port or service).problem(
            invalid.BAD_PORT, expected="either a number or a name", remedy="write port.number, or port.name"
        )


INGRESS = Kind(
    group=_GROUP,
    name="Ingress",
    versions=("v1",),
    plural="ingresses",
    short_names=("ing",),
    removed={"extensions/v1beta1": "Kubernetes 1.22", "networking.k8s.io/v1beta1": "Kubernetes 1.22"},
    rules=(content, rules),
    unsupported_fields={"spec.rules[].http.paths[].backend.resource": REMOVE_FIELD},
    ineffective_fields={"spec.defaultBackend": "Istio ignores it; write a rule with the path /"},
)
INGRESS_CLASS = Kind(
    group=_GROUP,
    name="IngressClass",
    versions=("v1",),
    plural="ingressclasses",
    namespaced=False,
    removed={"networking.k8s.io/v1beta1": "Kubernetes 1.22"},
    ineffective_fields={"spec.parameters": "Istio ignores it"},
)
