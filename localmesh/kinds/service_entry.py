"""ServiceEntry: its record and what Istio requires of it (istio: ValidateServiceEntry)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_address, is_domain, is_label, is_prefix, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, Kind
from localmesh.kinds.rules.istio import exports, selector_labels, workload_labels
from localmesh.kinds.rules.metadata import entry_names
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field, listed, quoted

_DNS = ("DNS", "DNS_ROUND_ROBIN")
_WITH_HOSTS = ("HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "TLS")
"""Protocols in which a client names the host that it calls."""
_SUPPORTED_PROTOCOLS = (*_WITH_HOSTS, "TCP", "MONGO", "REDIS", "MYSQL", "UDP")
_PROTOCOLS = (*_SUPPORTED_PROTOCOLS, "HTTP_PROXY")
_UNIX = "unix://"


def hosts(root: Field) -> Iterator[Problem]:
    """Hosts are DNS names; the wildcard * alone would match every host."""
    spec = root.get("spec")
    if not len(spec.get("hosts")):
        yield spec.problem(invalid.MISSING_FIELD, name="hosts", why="", remedy="add the names of the hosts")
    for host in spec.get("hosts").items():
        if host.text is not None and (host.text == "*" or not is_wildcard_domain(host.text)):
            yield host.problem(
                invalid.BAD_HOST,
                expected="a DNS name, or *.example.com",
                remedy="correct the name; the port goes in ports",
            )
        elif host.text and host.text.startswith("*") and _needs_names(spec):
            yield host.problem(
                invalid.BAD_HOST,
                expected="a name without a wildcard, because DNS resolves it",
                remedy="write resolution: NONE, or add endpoints",
            )


def _needs_names(spec: Field) -> bool:
    return spec.get("resolution").text in _DNS and not len(spec.get("endpoints"))


def addresses(root: Field) -> Iterator[Problem]:
    """Addresses are valid; ranges need a resolution other than DNS."""
    spec = root.get("spec")
    for address in spec.get("addresses").items():
        if address.text is None:
            continue
        if not (is_address(address.text) or is_prefix(address.text)):
            yield address.problem(
                invalid.BAD_ENTRY,
                expected="an IP address, or a range such as 10.0.0.0/24",
                remedy="correct the address",
            )
        elif "/" in address.text and spec.get("resolution").text in _DNS:
            yield address.problem(
                invalid.BAD_ENTRY,
                found=f"the range {address.text} with resolution {spec.get('resolution').text}",
                expected="ranges with resolution NONE or STATIC only",
                remedy="write single addresses, or another resolution",
            )


def ports(root: Field) -> Iterator[Problem]:
    """Ports have unique names and numbers."""
    entries = root.get("spec", "ports")
    yield from entry_names(entries, what="the port name")
    first: dict[int, Field] = {}
    for port in entries.items():
        number = port.get("number")
        yield from port_number(number)
        yield from port_number(port.get("targetPort"))
        if number.integer is not None and first.setdefault(number.integer, number) is not number:
            where = first[number.integer].path
            yield number.problem(invalid.DUPLICATE_ENTRY, what="the port", first=where)
        yield from _port_name(port.get("name"))
        protocol = port.get("protocol")
        if protocol.text and protocol.text.upper() not in _PROTOCOLS:
            yield protocol.problem(
                invalid.NOT_IN_SET, expected=listed(_PROTOCOLS, "or"), remedy="write one of these"
            )


def _port_name(name: Field) -> Iterator[Problem]:
    if name.text is not None and not is_label(name.text):
        yield name.problem(
            invalid.BAD_PORT, expected="letters, digits and -, such as http-web", remedy="choose another name"
        )


def distinguishable_hosts(root: Field) -> Iterator[Problem]:
    """Several hosts need protocols that name the host, unless the caller's own look-up decides."""
    spec = root.get("spec")
    hosts_of_entry = spec.get("hosts")
    if len(hosts_of_entry) < 2 or spec.get("resolution").text in (None, "", "NONE"):
        return
    for port in spec.get("ports").items():
        protocol = port.get("protocol").text or ""
        if protocol.upper() not in (*_WITH_HOSTS, "HTTP_PROXY"):
            yield hosts_of_entry.problem(
                invalid.BAD_ENTRY,
                found=f"{len(hosts_of_entry)} hosts with a port of protocol {protocol or 'unset'}",
                expected="one host, because such connections do not name theirs",
                remedy="write a ServiceEntry for each host",
            )
            return


def endpoints(root: Field) -> Iterator[Problem]:
    """Endpoints have the form that the resolution requires."""
    spec = root.get("spec")
    entries, resolution = spec.get("endpoints"), spec.get("resolution").text or "NONE"
    selector = spec.get("workloadSelector")
    if len(entries) and selector:
        words = "endpoints and workloadSelector"
        yield spec.problem(invalid.EXCLUSIVE_FIELDS, found=words, expected=words)
    if resolution == "NONE" and len(entries):
        yield entries.problem(
            invalid.BAD_ENTRY,
            found="endpoints with resolution NONE",
            expected="resolution STATIC or DNS",
            remedy="write resolution: STATIC for addresses, DNS for names",
        )
    if resolution == "DNS_ROUND_ROBIN" and len(entries) > 1:
        yield entries.problem(
            invalid.BAD_ENTRY,
            found=f"{len(entries)} endpoints with resolution DNS_ROUND_ROBIN",
            expected="at most one",
            remedy="write resolution: DNS",
        )
    yield from workload_labels(selector.get("labels"))
    names = {port.get("name").text for port in spec.get("ports").items()}
    for entry in entries.items():
        yield from _address(entry, resolution)
        yield from _endpoint_ports(entry, names)
        yield from selector_labels(entry.get("labels"))


def _address(entry: Field, resolution: str) -> Iterator[Problem]:
    address = entry.get("address")
    text = address.text or ""
    right = is_address(text) or (is_domain(text) if resolution in _DNS else text.startswith(_UNIX))
    if not text and entry.get("network").text:
        return
    if not right and resolution != "NONE":
        expected = "an IP address" if resolution == "STATIC" else "a DNS name or an IP address"
        yield (address or entry).problem(
            invalid.BAD_ENTRY,
            found=quoted(address.value) if address else "an endpoint without an address",
            expected=expected,
            remedy="correct the address",
        )


def _endpoint_ports(entry: Field, names: set[str | None]) -> Iterator[Problem]:
    for name, number in entry.get("ports").entries():
        yield from port_number(number)
        if name not in names:
            known = listed(sorted(filter(None, names)))
            yield number.problem(
                invalid.UNKNOWN_NAME, found=quoted(name), expected="the name of a port", known=known
            )


def reachable_endpoints(root: Field) -> Iterator[Problem]:
    """localmesh reaches endpoints at IP addresses and names."""
    for entry in root.get("spec", "endpoints").items():
        address = entry.get("address")
        if (address.text or "").startswith(_UNIX):
            yield address.problem(unsupported.FIELD_NOT_SUPPORTED, remedy="write an IP address with a port")
        elif not address.text:
            yield entry.problem(unsupported.FIELD_NOT_SUPPORTED, remedy="add the address of the endpoint")


SERVICE_ENTRY = Kind(
    group=NETWORKING,
    name="ServiceEntry",
    versions=NETWORKING_VERSIONS,
    plural="serviceentries",
    short_names=("se",),
    rules=(hosts, addresses, ports, distinguishable_hosts, endpoints, exports),
    support_rules=(reachable_endpoints,),
    supported_values={
        "spec.ports[].protocol": _SUPPORTED_PROTOCOLS,
        "spec.resolution": ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"),
    },
    ineffective_fields={
        "spec.addresses": "processes call hosts by name",
        "spec.endpoints[].network": "all pods are in the same network",
        "spec.endpoints[].serviceAccount": "only pods have an identity here",
    },
)
