"""VirtualService: its record and what Istio requires of it (istio: ValidateVirtualService)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.claims import claim_names
from localmesh.formats.hostnames import first_overlaps, is_address, is_domain, is_label, is_wildcard_domain
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, Kind
from localmesh.kinds.rules.connection_route import connection_routes
from localmesh.kinds.rules.http_route import http_route
from localmesh.kinds.rules.istio import exports
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, quoted

MESH = "mesh"
"""The gateway name that means all sidecars."""


def hosts(root: Field) -> Iterator[Problem]:
    """Hosts are DNS names; in the mesh, `*` would match every host and is invalid."""
    spec = root.get("spec")
    entries = spec.get("hosts")
    names = [gateway.text for gateway in spec.get("gateways").items()]
    is_for_mesh = not names or MESH in names
    are_fine = True
    for host in entries.items():
        faults = list(_host(host, is_for_mesh))
        are_fine = are_fine and not faults
        yield from faults
    if are_fine:
        yield from _overlaps(entries)


def _host(host: Field, is_for_mesh: bool) -> Iterator[Problem]:
    if host.text is None:
        return
    if not is_wildcard_domain(host.text) and not is_address(host.text):
        yield host.problem(
            invalid.BAD_HOST,
            expected="a DNS name, where only the first label may be a wildcard",
            remedy="correct the name; hosts contain no paths or ports",
        )
    elif host.text == "*" and is_for_mesh:
        yield host.problem(
            invalid.BAD_HOST,
            expected="host names: * is valid for VirtualServices of gateways only",
            remedy="name the hosts, or bind the VirtualService to a gateway in spec.gateways",
        )


def _overlaps(entries: Field) -> Iterator[Problem]:
    fields = [host for host in entries.items() if host.text is not None]
    overlaps = first_overlaps([host.text or "" for host in fields])
    for host, first in zip(fields, overlaps, strict=True):
        if first is not None:
            earlier = fields[first]
            yield host.problem(invalid.DUPLICATE_HOST, first=quoted(earlier.text), where=earlier.path)


def gateways(root: Field) -> Iterator[Problem]:
    """Names of gateways have the form `name` or `namespace/name`."""
    yield from gateway_names(root.get("spec", "gateways"))


def gateway_names(names: Field) -> Iterator[Problem]:
    """The gateways of a VirtualService or of one match."""
    for name in names.items():
        if name.text is None:
            continue
        namespace, slash, gateway = name.text.rpartition("/")
        is_fine = is_label(namespace) and is_label(gateway) if slash else is_domain(gateway)
        if not is_fine:
            yield name.problem(
                invalid.BAD_GATEWAY_NAME, expected="the name of a Gateway, or namespace/name, or mesh"
            )


def has_routes(root: Field) -> Iterator[Problem]:
    """A VirtualService has at least one route."""
    spec = root.get("spec")
    if not any(len(spec.get(kind)) for kind in ("http", "tcp", "tls")):
        yield spec.problem(
            invalid.MISSING_FIELD,
            name="http",
            why=": a VirtualService needs at least one route",
            remedy="add spec.http with a route",
        )


def delegate(root: Field) -> Iterator[Problem]:
    """A VirtualService without hosts is a delegate, which has only HTTP routes."""
    spec = root.get("spec")
    if len(spec.get("hosts")):
        return
    for name in ("gateways", "tls", "tcp"):
        block = spec.get(name)
        if len(block):
            yield block.problem(
                invalid.BAD_DELEGATE,
                found=f"the VirtualService has {name} but no hosts",
                expected="hosts, or a delegate with HTTP routes only",
                remedy=f"add spec.hosts, or remove {name}",
            )


def http_routes(root: Field) -> Iterator[Problem]:
    """The HTTP routes are valid."""
    spec = root.get("spec")
    is_delegate = not len(spec.get("hosts"))
    for route in spec.get("http").items():
        yield from http_route(route, is_delegate=is_delegate)
        for match in route.get("match").items():
            yield from gateway_names(match.get("gateways"))


def match_gateways(root: Field) -> Iterator[Problem]:
    """The gateways in matches of connections."""
    for kind in ("tls", "tcp"):
        for route in root.get("spec", kind).items():
            for match in route.get("match").items():
                yield from gateway_names(match.get("gateways"))


def claim_matches(root: Field) -> Iterator[Problem]:
    """Only gateways route by the claims of a token, and no claim is matched by its presence alone."""
    gateways = root.get("spec", "gateways").value or ["mesh"]
    for route in root.get("spec", "http").items():
        for match in route.get("match").items():
            for block in ("headers", "withoutHeaders"):
                for name, condition in match.get(block).entries():
                    if claim_names(name) and isinstance(gateways, list):
                        yield from _claim_match(condition, in_mesh="mesh" in gateways)


def _claim_match(condition: Field, *, in_mesh: bool) -> Iterator[Problem]:
    if in_mesh:
        yield condition.problem(
            invalid.BAD_MATCH, found="a claim in a route of the mesh", expected="gateways without mesh"
        )
    elif not condition.value or condition.get("regex").text == "*":
        # Istio accepts it, and then Envoy rejects all routes of the port
        yield condition.problem(invalid.BAD_MATCH, found="no value", expected="a value of the claim")


VIRTUAL_SERVICE = Kind(
    group=NETWORKING,
    name="VirtualService",
    versions=NETWORKING_VERSIONS,
    plural="virtualservices",
    short_names=("vs",),
    rules=(
        hosts,
        gateways,
        has_routes,
        delegate,
        http_routes,
        claim_matches,
        connection_routes,
        match_gateways,
        exports,
    ),
    unsupported_fields={
        "spec.http[].mirror_percent": "write mirrorPercentage: {value: …}",
    },
)
