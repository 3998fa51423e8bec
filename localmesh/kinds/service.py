"""Service: its record and what Kubernetes requires of it (kubernetes: core/validation, ValidateService)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.kind import Kind, NameFormat
from localmesh.kinds.rules.metadata import LABEL_WORDS, entry_names, is_label, label_problems
from localmesh.kinds.rules.values import port_number, port_number_or_name
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

HEADLESS = "None"


def selector(root: Field) -> Iterator[Problem]:
    """The selector consists of valid labels."""
    yield from label_problems(root.get("spec", "selector"))


def has_ports(root: Field) -> Iterator[Problem]:
    """A Service has ports, unless it is headless or of type ExternalName."""
    spec = root.get("spec")
    if spec.get("type").text == "ExternalName" or spec.get("clusterIP").text == HEADLESS:
        return
    if not len(spec.get("ports")):
        yield spec.problem(
            invalid.MISSING_FIELD,
            name="ports",
            why="; only a headless Service (clusterIP: None) may have none",
            remedy="add spec.ports with at least one port",
        )


def ports(root: Field) -> Iterator[Problem]:
    """Numbers, names and target ports are valid."""
    entries = root.get("spec", "ports")
    for port in entries.items():
        yield from port_number(port.get("port"))
        yield from port_number_or_name(port.get("targetPort"))
        name = port.get("name")
        if name.text and not is_label(name.text):
            yield name.problem(invalid.BAD_PORT, expected=LABEL_WORDS, remedy="choose another name")
        elif len(entries) > 1 and not name.text:
            yield port.problem(
                invalid.MISSING_FIELD,
                name="name",
                why=": every port needs one if there are several",
                remedy="name the port and start with its protocol: http, http-admin, tcp-db",
            )
    yield from entry_names(entries, what="the port name")
    yield from _numbers_once(entries)


def _numbers_once(entries: Field) -> Iterator[Problem]:
    first: dict[tuple[int, str], Field] = {}
    for entry in entries.items():
        number = entry.get("port")
        if number.integer is None:
            continue
        earlier = first.setdefault((number.integer, entry.get("protocol").text or "TCP"), number)
        if earlier is not number:
            yield number.problem(invalid.DUPLICATE_ENTRY, what="the port", first=earlier.path)


def external_name(root: Field) -> Iterator[Problem]:
    """A Service of type ExternalName has an externalName."""
    spec = root.get("spec")
    name = spec.get("externalName")
    if spec.get("type").text == "ExternalName" and not name.text:
        yield spec.problem(
            invalid.MISSING_FIELD,
            name="externalName",
            why=", which a Service of type ExternalName needs",
            remedy="add spec.externalName",
        )


def node_ports(root: Field) -> Iterator[Problem]:
    """Only types that open ports on nodes have a nodePort."""
    spec = root.get("spec")
    if spec.get("type").text not in {None, "ClusterIP"}:
        return
    for port in spec.get("ports").items():
        node_port = port.get("nodePort")
        if node_port.integer:
            yield node_port.problem(
                invalid.BAD_SERVICE,
                found=f"nodePort {quoted(node_port.value)} in a Service of type ClusterIP",
                expected="type NodePort or LoadBalancer",
                remedy="remove nodePort or write type: NodePort",
            )


SERVICE = Kind(
    group="",
    name="Service",
    versions=("v1",),
    plural="services",
    short_names=("svc",),
    name_format=NameFormat.LABEL,
    rules=(selector, has_ports, ports, external_name, node_ports),
    unsupported_fields={
        "spec.externalIPs": "remove them: this machine does not have these addresses",
    },
    ineffective_fields={
        "spec.allocateLoadBalancerNodePorts": "ports are open on 127.0.0.1 only",
        "spec.clusterIPs": "clusterIP is used",
        "spec.externalTrafficPolicy": "ports are open on 127.0.0.1 only",
        "spec.healthCheckNodePort": "ports are open on 127.0.0.1 only",
        "spec.internalTrafficPolicy": "there is one node",
        "spec.ipFamilies": "everything is on 127.0.0.1",
        "spec.ipFamilyPolicy": "everything is on 127.0.0.1",
        "spec.loadBalancerClass": "ports are open on 127.0.0.1 only",
        "spec.loadBalancerIP": "ports are open on 127.0.0.1 only",
        "spec.loadBalancerSourceRanges": "ports are open on 127.0.0.1 only",
        "spec.ports[].nodePort": "ports are open on 127.0.0.1 only",
        "spec.sessionAffinity": "sidecars ignore it, as in Istio",
        "spec.sessionAffinityConfig": "sidecars ignore it, as in Istio",
    },
)
