"""EndpointSlice and Endpoints: their records and what Kubernetes requires of them.

kubernetes: ValidateEndpointSlice in pkg/apis/discovery/validation, ValidateEndpoints in
pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from localmesh.kinds.kind import Kind
from localmesh.kinds.rules.metadata import (
    LABEL_WORDS,
    SUBDOMAIN_WORDS,
    entry_names,
    is_label,
    is_subdomain,
)
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_ADDRESS_TYPES = ("IPv4", "IPv6", "FQDN")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_MOST_ENDPOINTS = 1000
_MOST_ADDRESSES = 100
_MOST_HINTS = 8
_LINK_LOCAL_MULTICAST = (ip_network("224.0.0.0/24"), ip_network("ff02::/16"))


def address_type(root: Field) -> Iterator[Problem]:
    """The type of the addresses is one of three."""
    written = root.get("addressType")
    if written.text is not None and written.text not in _ADDRESS_TYPES:
        expected = listed(_ADDRESS_TYPES, "or")
        yield written.problem(invalid.NOT_IN_SET, expected=expected, remedy="write one of these")


def slice_ports(root: Field) -> Iterator[Problem]:
    """The ports have different names; without a name, a port is that of a Service's port without a name."""
    entries = root.get("ports")
    unnamed: list[Field] = []
    for entry in entries.items():
        yield from _port(entry)
        unnamed += [] if entry.get("name").text else [entry]
    yield from entry_names(entries, what="the port name")
    for again in unnamed[1:]:
        yield again.problem(invalid.DUPLICATE_ENTRY, what="the empty port name", first=unnamed[0].path)


def slice_endpoints(root: Field) -> Iterator[Problem]:
    """Every endpoint has addresses of the type, and valid names."""
    entries, kind = root.get("endpoints"), root.get("addressType").text
    yield from _at_most(entries, _MOST_ENDPOINTS)
    for entry in entries.items():
        addresses = entry.get("addresses")
        if isinstance(addresses.value, list) and not addresses.value:
            yield addresses.problem(
                invalid.OUT_OF_RANGE, expected="at least one address", remedy="add the address"
            )
        yield from _at_most(addresses, _MOST_ADDRESSES)
        for address in addresses.items():
            yield from _domain(address) if kind == "FQDN" else _address(address, kind)
        yield from _names(entry)
        for hints in (entry.get("hints", "forZones"), entry.get("hints", "forNodes")):
            yield from _at_most(hints, _MOST_HINTS)
            yield from entry_names(hints, what="the name")


def subsets(root: Field) -> Iterator[Problem]:
    """Every subset has addresses, and ports that have names if there are several."""
    for subset in root.get("subsets").items():
        ready, unready = subset.get("addresses"), subset.get("notReadyAddresses")
        if not len(ready) and not len(unready):
            why = ": a subset has addresses or notReadyAddresses"
            yield subset.problem(invalid.MISSING_FIELD, name="addresses", why=why, remedy="add the addresses")
        for entry in (*ready.items(), *unready.items()):
            yield from _address(entry.get("ip"))
            yield from _names(entry)
        ports = subset.get("ports")
        for port in ports.items():
            yield from _port(port)
            if len(ports) > 1 and not port.get("name").text:
                why = ": every port needs one if there are several"
                yield port.problem(
                    invalid.MISSING_FIELD, name="name", why=why, remedy="write the name of the Service's port"
                )


def _port(entry: Field) -> Iterator[Problem]:
    name, protocol = entry.get("name"), entry.get("protocol")
    if name.text and not is_label(name.text):
        yield name.problem(
            invalid.BAD_PORT, expected=LABEL_WORDS, remedy="write the name of the Service's port"
        )
    yield from port_number(entry.get("port"))
    if protocol.text is not None and protocol.text not in _PROTOCOLS:
        expected = listed(_PROTOCOLS, "or")
        yield protocol.problem(invalid.NOT_IN_SET, expected=expected, remedy="write one of these")


def _address(address: Field, kind: str | None = None) -> Iterator[Problem]:
    """An address is valid, of the type, and can be that of another machine."""
    text = address.text
    if text is None:
        return
    versions = {"IPv4": IPv4Address, "IPv6": IPv6Address}
    parsed = _parsed(text)
    if parsed is None or not isinstance(parsed, versions.get(kind or "", (IPv4Address, IPv6Address))):
        expected = "an IP address" if kind not in versions else f"an {kind} address"
        yield address.problem(invalid.BAD_ENTRY, expected=expected, remedy="correct the address")
    elif parsed.is_loopback:
        yield address.problem(
            invalid.BAD_ENTRY,
            expected="an address that is not of the loopback",
            remedy="Kubernetes rejects it: write another address of this machine, or a ServiceEntry with "
            "resolution STATIC",
        )
    elif parsed.is_unspecified or parsed.is_link_local or _is_link_local_multicast(parsed):
        expected = "an address that other machines can call"
        yield address.problem(invalid.BAD_ENTRY, expected=expected, remedy="correct the address")


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    is_other_form = isinstance(parsed, IPv6Address) and (parsed.scope_id or parsed.ipv4_mapped)
    return None if is_other_form else parsed


def _is_link_local_multicast(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in _LINK_LOCAL_MULTICAST)


def _domain(address: Field) -> Iterator[Problem]:
    name = (address.text or "").removesuffix(".")
    if address.text is not None and not (is_subdomain(name) and "." in name):
        expected = "a DNS name in lower case with at least two labels"
        yield address.problem(invalid.BAD_ENTRY, expected=expected, remedy="correct the name")


def _names(entry: Field) -> Iterator[Problem]:
    checks: tuple[tuple[str, Callable[[str], bool], str], ...] = (
        ("hostname", is_label, LABEL_WORDS),
        ("nodeName", is_subdomain, SUBDOMAIN_WORDS),
    )
    for key, is_valid, words in checks:
        name = entry.get(key)
        if name.text and not is_valid(name.text):
            yield name.problem(invalid.BAD_NAME, expected=words)


def _at_most(entries: Field, most: int) -> Iterator[Problem]:
    if len(entries) > most:
        yield entries.problem(
            invalid.OUT_OF_RANGE,
            found=f"{len(entries):,} entries",
            expected=f"at most {most:,}",
            remedy="write several objects",
        )


_UNUSED_OF_EVERY_ENDPOINT = {
    "hostname": "names of endpoints do not exist here",
    "nodeName": "as in Istio",
    **{
        f"targetRef.{field}": "the kind of the target decides"
        for field in ("apiVersion", "fieldPath", "name", "namespace", "resourceVersion", "uid")
    },
}
_UNUSED_OF_EVERY_PORT = {
    "appProtocol": "the Service decides the protocol",
    "protocol": "the Service decides the protocol",
}


def _below(path: str, fields: Mapping[str, str]) -> dict[str, str]:
    return {f"{path}.{field}": reason for field, reason in fields.items()}


ENDPOINT_SLICE = Kind(
    group="discovery.k8s.io",
    name="EndpointSlice",
    versions=("v1",),
    plural="endpointslices",
    removed={"discovery.k8s.io/v1beta1": "Kubernetes 1.25"},
    rules=(address_type, slice_ports, slice_endpoints),
    ineffective_fields={
        "endpoints[].conditions.serving": "as in Istio",
        "endpoints[].deprecatedTopology": "as in Istio",
        "endpoints[].hints": "as in Istio",
        "endpoints[].zone": "as in Istio",
        **_below("endpoints[]", _UNUSED_OF_EVERY_ENDPOINT),
        **_below("ports[]", _UNUSED_OF_EVERY_PORT),
    },
)
ENDPOINTS = Kind(
    group="",
    name="Endpoints",
    versions=("v1",),
    plural="endpoints",
    short_names=("ep",),
    rules=(subsets,),
    ineffective_fields={
        **_below("subsets[].addresses[]", _UNUSED_OF_EVERY_ENDPOINT),
        **_below("subsets[].notReadyAddresses[]", _UNUSED_OF_EVERY_ENDPOINT),
        **_below("subsets[].ports[]", _UNUSED_OF_EVERY_PORT),
    },
)
