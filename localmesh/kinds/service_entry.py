"""ServiceEntry: its record and what Istio requires of it (istio: ValidateServiceEntry)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_address, is_domain, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, Kind
from localmesh.kinds.rules.istio import exports
from localmesh.kinds.rules.metadata import entry_names, label_problems
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed, quoted

_DNS = ("DNS", "DNS_ROUND_ROBIN")
_PROTOCOLS = ("HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "TLS", "TCP", "MONGO", "REDIS", "MYSQL")


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


def ports(root: Field) -> Iterator[Problem]:
    """Ports have unique names and numbers."""
    entries = root.get("spec", "ports")
    if not len(entries):
        remedy = "add spec.ports with number, name and protocol"
        yield root.get("spec").problem(invalid.MISSING_FIELD, name="ports", why="", remedy=remedy)
    yield from entry_names(entries, what="the port name")
    first: dict[int, Field] = {}
    for port in entries.items():
        number = port.get("number")
        yield from port_number(number)
        yield from port_number(port.get("targetPort"))
        if number.integer is not None and first.setdefault(number.integer, number) is not number:
            where = first[number.integer].path
            yield number.problem(invalid.DUPLICATE_ENTRY, what="the port", first=where)
        protocol = port.get("protocol")
        if protocol.text and protocol.text.upper() not in _PROTOCOLS:
            yield protocol.problem(
                invalid.NOT_IN_SET, expected=listed(_PROTOCOLS, "or"), remedy="write one of these"
            )


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
    if resolution == "STATIC" and not len(entries) and not selector:
        yield spec.problem(
            invalid.BAD_ENTRY,
            found="resolution STATIC without endpoints",
            expected="endpoints or a workloadSelector",
            remedy="add spec.endpoints",
        )
    if resolution == "DNS_ROUND_ROBIN" and len(entries) > 1:
        yield entries.problem(
            invalid.BAD_ENTRY,
            found=f"{len(entries)} endpoints with resolution DNS_ROUND_ROBIN",
            expected="at most one",
            remedy="write resolution: DNS",
        )
    yield from label_problems(selector.get("labels"))
    names = {port.get("name").text for port in spec.get("ports").items()}
    for entry in entries.items():
        yield from _address(entry, resolution)
        yield from _endpoint_ports(entry, names)
        yield from label_problems(entry.get("labels"))


def _address(entry: Field, resolution: str) -> Iterator[Problem]:
    address = entry.get("address")
    text = address.text or ""
    right = is_address(text) or (resolution in _DNS and is_domain(text))
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


SERVICE_ENTRY = Kind(
    group=NETWORKING,
    name="ServiceEntry",
    versions=NETWORKING_VERSIONS,
    plural="serviceentries",
    short_names=("se",),
    rules=(hosts, ports, endpoints, exports),
    supported_values={"spec.resolution": ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN")},
    ineffective_fields={
        "spec.addresses": "processes call hosts by name",
        "spec.endpoints[].locality": "all pods are in the same locality",
        "spec.endpoints[].network": "all pods are in the same network",
        "spec.endpoints[].serviceAccount": "only pods have an identity here",
    },
)
