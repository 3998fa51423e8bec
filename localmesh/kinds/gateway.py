"""Istio's Gateway: its record and what Istio requires of it (istio: ValidateGateway)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_address, is_label, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, REMOVE_FIELD, Kind, NameFormat
from localmesh.kinds.rules.server_tls import PROTOCOLS, server_tls
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted


def servers(root: Field) -> Iterator[Problem]:
    """A Gateway has servers, whose port names are unique."""
    spec = root.get("spec")
    entries = spec.get("servers")
    if not len(entries):
        yield spec.problem(
            invalid.MISSING_FIELD, name="servers", why="", remedy="add spec.servers with a port and hosts"
        )
    first: dict[str, Field] = {}
    for server in entries.items():
        name = server.get("port", "name")
        if name.text and first.setdefault(name.text, name) is not name:
            yield name.problem(invalid.DUPLICATE_ENTRY, what="the port name", first=first[name.text].path)
        yield from _hosts(server)
        yield from _port(server)
        yield from server_tls(server)


def _hosts(server: Field) -> Iterator[Problem]:
    hosts = server.get("hosts")
    if not len(hosts):
        yield server.problem(
            invalid.BAD_SERVER,
            found="hosts is empty",
            expected="at least one host",
            remedy='add hosts: ["*"], or the host names that the server serves',
        )
    for host in hosts.items():
        if host.text is not None:
            yield from _host(host, host.text)


def _host(host: Field, written: str) -> Iterator[Problem]:
    namespace, slash, name = written.rpartition("/")
    if slash and namespace not in {"*", "."} and not is_label(namespace):
        yield host.problem(
            invalid.BAD_HOST,
            expected="namespace/host, with a namespace, * or . before the slash",
            remedy="correct the namespace",
        )
    is_partial = "*" in name and name != "*" and not name.startswith("*.")
    if not is_wildcard_domain(name) and not is_address(name):
        yield host.problem(
            invalid.BAD_HOST, expected="*, *.example.com or a DNS name", remedy="correct the name"
        )
    elif name != "*" and "." not in name:
        yield host.problem(
            invalid.BAD_HOST,
            expected="a fully qualified name: short names have no meaning outside the mesh",
            remedy="write the name that clients use, such as shop.example.com",
        )
    elif is_partial:
        yield host.problem(
            invalid.BAD_HOST,
            expected="a wildcard that stands for a whole label",
            remedy="write *.example.com",
        )


def _port(server: Field) -> Iterator[Problem]:
    port = server.get("port")
    if not port:
        return  # the schema requires it
    yield from port_number(port.get("number"))
    if port.get("name").text == "":
        yield port.get("name").problem(
            invalid.BAD_SERVER, found="the name is empty", expected="a name", remedy="name the port"
        )
    if port.get("targetPort").integer:
        yield port.get("targetPort").problem(
            invalid.BAD_SERVER,
            found="targetPort has no effect in a Gateway",
            expected="number only",
            remedy="remove it: target ports belong in the gateway's Service",
        )
    protocol = port.get("protocol")
    if protocol.text is not None and protocol.text.lower() not in PROTOCOLS:
        yield protocol.problem(
            invalid.BAD_SERVER,
            found=f"the protocol {quoted(protocol.value)} is unknown",
            expected="HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, REDIS or MYSQL",
            remedy="write one of these",
        )


GATEWAY = Kind(
    group=NETWORKING,
    name="Gateway",
    versions=NETWORKING_VERSIONS,
    plural="gateways",
    short_names=("gw",),
    name_format=NameFormat.LABEL,
    rules=(servers,),
    unsupported_fields={
        "spec.servers[].bind": "remove it: the gateway listens on 127.0.0.1",
        "spec.servers[].defaultEndpoint": REMOVE_FIELD,
        "spec.servers[].tls.caCrl": REMOVE_FIELD,
    },
    supported_values={
        "spec.servers[].port.protocol": ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS", "TCP"),
    },
)
