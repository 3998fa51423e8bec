"""Sidecar: its record and what Istio requires of it (istio: ValidateSidecar)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_label, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, REMOVE_FIELD, Kind
from localmesh.kinds.rules.istio import workload_selector
from localmesh.kinds.rules.traffic_policy import connection_pool
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field, listed


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


def ingress(root: Field) -> Iterator[Problem]:
    """Every ingress listener has a port of its own, and its application is on a port of the pod."""
    seen: dict[int, Field] = {}
    for listener in root.get("spec", "ingress").items():
        port = listener.get("port")
        if not port:
            continue  # the schema requires it
        yield from _port(port)
        number = port.get("number")
        if number.integer is not None and seen.setdefault(number.integer, number) is not number:
            first = seen[number.integer].path
            yield number.problem(invalid.DUPLICATE_ENTRY, what="the port", first=first)
        endpoint = listener.get("defaultEndpoint")
        if endpoint.text and not endpoint.text.startswith(_UNIX) and not _is_endpoint(endpoint.text):
            yield endpoint.problem(
                invalid.BAD_HOST,
                expected="a port of the pod, such as 127.0.0.1:8080 or 0.0.0.0:8080",
                remedy="write the address at which the application listens",
            )
        if pool := listener.get("connectionPool"):
            yield from connection_pool(pool)
    if pool := root.get("spec", "inboundConnectionPool"):
        yield from connection_pool(pool)


def _port(port: Field) -> Iterator[Problem]:
    yield from port_number(port.get("number"))
    if port.get("targetPort").integer:
        yield port.get("targetPort").problem(
            invalid.BAD_PORT, expected="number only", remedy="write the application's port in defaultEndpoint"
        )
    name, protocol = port.get("name"), port.get("protocol")
    if name.text and not is_label(name.text):
        yield name.problem(
            invalid.BAD_PORT, expected="letters, digits and -, such as http-web", remedy="choose another name"
        )
    if protocol.text and protocol.text.upper() not in _PROTOCOLS:
        expected = listed(_PROTOCOLS, "or")
        yield protocol.problem(invalid.NOT_IN_SET, expected=expected, remedy="write one of these")


def sockets(root: Field) -> Iterator[Problem]:
    """Applications listen on ports, and not on Unix domain sockets."""
    for listener in root.get("spec", "ingress").items():
        endpoint = listener.get("defaultEndpoint")
        if (endpoint.text or "").startswith(_UNIX):
            yield endpoint.problem(unsupported.FIELD_NOT_SUPPORTED, remedy="let the application have a port")


def _is_endpoint(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(colon) and host in _OWN_HOSTS and port.isdecimal() and 1 <= int(port) <= 65535


_UNIX = "unix://"
_OWN_HOSTS = frozenset({"", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"})  # noqa: S104 - not bound here
_SUPPORTED_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS", "TCP", "MONGO", "REDIS", "MYSQL")
_PROTOCOLS = (*_SUPPORTED_PROTOCOLS, "UDP", "HTTP_PROXY")


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
    rules=(workload_selector, content, catch_all, egress, ingress),
    support_rules=(sockets,),
    supported_values={"spec.ingress[].port.protocol": _SUPPORTED_PROTOCOLS},
    unsupported_fields={
        "spec.egress[].bind": _ONE_LISTENER,
        "spec.egress[].captureMode": _ONE_LISTENER,
        "spec.egress[].port": _ONE_LISTENER,
        "spec.ingress[].bind": "remove it: a sidecar has an address of its own for each port",
        "spec.ingress[].captureMode": "remove it: a sidecar always listens at the port itself",
        "spec.ingress[].tls": "remove it: Istio ignores it unless ENABLE_TLS_ON_SIDECAR_INGRESS is set",
        "spec.outboundTrafficPolicy.egressProxy": REMOVE_FIELD,
    },
)
