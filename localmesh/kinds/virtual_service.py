"""What Istio asks of a VirtualService as a whole (istio: ValidateVirtualService)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.formats.hostnames import is_address, is_domain, is_label, is_wildcard_domain, overlap
from localmesh.kinds.kind import NETWORKING, NETWORKING_VERSIONS, Kind
from localmesh.kinds.rules.http_route import http_route
from localmesh.kinds.rules.istio import exports
from localmesh.problems import Problem
from localmesh.problems.codes import invalid, unsupported
from localmesh.problems.fields import Field, quoted

MESH = "mesh"
"""The gateway name that stands for all sidecars."""


def hosts(root: Field) -> Iterator[Problem]:
    """Hosts are DNS names; in the mesh, `*` would take everything and is refused."""
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
            remedy="correct the name; paths and ports do not belong into hosts",
        )
    elif host.text == "*" and is_for_mesh:
        yield host.problem(
            invalid.BAD_HOST,
            expected="names of hosts: * is for VirtualServices at a gateway only",
            remedy="name the hosts, or attach the VirtualService to a gateway with gateways",
        )


def _overlaps(entries: Field) -> Iterator[Problem]:
    fields = [host for host in entries.items() if host.text is not None]
    for index, host in enumerate(fields):
        for earlier in fields[:index]:
            if overlap(earlier.text or "", host.text or ""):
                yield host.problem(invalid.DUPLICATE_HOST, first=quoted(earlier.text), where=earlier.path)
                break


def gateways(root: Field) -> Iterator[Problem]:
    """Gateways are named `name` or `namespace/name`."""
    yield from gateway_names(root.get("spec", "gateways"))


def gateway_names(names: Field) -> Iterator[Problem]:
    """A list of gateways, of a VirtualService or of one match."""
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
    """A VirtualService routes something."""
    spec = root.get("spec")
    if not any(len(spec.get(kind)) for kind in ("http", "tcp", "tls")):
        yield spec.problem(
            invalid.MISSING_FIELD,
            name="http",
            why=": a VirtualService needs at least one route",
            remedy="add spec.http with a route",
        )


def delegate(root: Field) -> Iterator[Problem]:
    """A VirtualService without hosts is a delegate, which has HTTP routes and nothing else."""
    spec = root.get("spec")
    if len(spec.get("hosts")):
        return
    for name in ("gateways", "tls", "tcp"):
        block = spec.get(name)
        if len(block):
            yield block.problem(
                invalid.BAD_DELEGATE,
                found=f"there are no hosts, and there is {name}",
                expected="a delegate with HTTP routes only, or hosts",
                remedy=f"add spec.hosts, or remove {name}",
            )


def http_routes(root: Field) -> Iterator[Problem]:
    """The HTTP routes."""
    spec = root.get("spec")
    is_delegate = not len(spec.get("hosts"))
    for route in spec.get("http").items():
        yield from http_route(route, is_delegate=is_delegate)
        for match in route.get("match").items():
            yield from gateway_names(match.get("gateways"))


def claim_matches(root: Field) -> Iterator[Problem]:
    """Matches on claims of a token, which localmesh does not support."""
    for route in root.get("spec", "http").items():
        for match in route.get("match").items():
            for block in ("headers", "withoutHeaders"):
                for name, condition in match.get(block).entries():
                    if name.startswith("@request.auth.claims"):
                        remedy = "match on a header that the caller sends"
                        yield condition.problem(unsupported.FIELD_NOT_SUPPORTED, remedy=remedy)


VIRTUAL_SERVICE = Kind(
    group=NETWORKING,
    name="VirtualService",
    versions=NETWORKING_VERSIONS,
    plural="virtualservices",
    short_names=("vs",),
    rules=(hosts, gateways, has_routes, delegate, http_routes, exports),
    unsupported_fields={
        "spec.http[].fault.abort.grpcStatus": "write httpStatus",
        "spec.http[].mirror_percent": "write mirrorPercentage: {value: …}",
        "spec.http[].retries.retryRemoteLocalities": "leave it away: all pods are in one place here",
        "spec.tcp": "localmesh routes HTTP only: write the routes under spec.http",
        "spec.tls": "localmesh routes HTTP only: write the routes under spec.http",
    },
    support_rules=(claim_matches,),
)
