"""Routes of connections: `tls` and `tcp` of VirtualServices (istio: validateTLSRoute, validateTCPRoute)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from localmesh.formats.hostnames import is_address, is_subset, is_wildcard_domain
from localmesh.kinds.rules.http_destination import destinations
from localmesh.kinds.rules.istio import selector_labels
from localmesh.kinds.rules.values import port_number
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field, listed

_OF_CLUSTERS = "outbound_."
"""How the names begin that proxies ask for by themselves; only gateways have routes for them."""


def connection_routes(root: Field) -> Iterator[Problem]:
    """The routes of connections have destinations, and matches that can apply."""
    spec = root.get("spec")
    for kind in ("tls", "tcp"):
        for route in spec.get(kind).items():
            matches = route.get("match")
            if kind == "tls" and not len(matches):
                yield route.problem(
                    invalid.MISSING_FIELD, name="match", why="", remedy="add a match with sniHosts"
                )
            for match in matches.items():
                yield from _match(match)
                if kind == "tls":
                    yield from _names(match, spec)
            if not len(route.get("route")):
                yield route.problem(
                    invalid.MISSING_FIELD, name="route", why="", remedy="add a route with a destination"
                )
            yield from destinations(route.get("route"))


def _match(match: Field) -> Iterator[Problem]:
    for subnet in match.get("destinationSubnets").items():
        if subnet.text is not None and not _is_subnet(subnet.text):
            yield subnet.problem(
                invalid.BAD_HOST, expected="an address or a network such as 10.0.0.0/8", remedy="correct it"
            )
    if match.get("port").integer:
        yield from port_number(match.get("port"))
    yield from selector_labels(match.get("sourceLabels"))


def _names(match: Field, spec: Field) -> Iterator[Problem]:
    """The names that clients ask for belong to hosts of the VirtualService."""
    names = match.get("sniHosts")
    if not len(names):
        yield match.problem(
            invalid.MISSING_FIELD, name="sniHosts", why="", remedy="add the names that clients ask for"
        )
    hosts = [host.text or "" for host in spec.get("hosts").items()]
    is_for_mesh = any(gateway.text == "mesh" for gateway in spec.get("gateways").items())
    for name in names.items():
        if name.text is None or is_address(name.text):
            continue
        is_of_cluster = name.text.startswith(_OF_CLUSTERS) and not is_for_mesh
        if not is_wildcard_domain(name.text) and not is_of_cluster:
            yield name.problem(invalid.BAD_HOST, expected="a DNS name or *.example.com", remedy="correct it")
        elif not any(is_subset(name.text, host) for host in hosts):
            yield name.problem(
                invalid.BAD_HOST,
                expected=f"a host of the VirtualService, or a part of one: {listed(hosts, 'or')}",
                remedy="add it to spec.hosts, or correct it",
            )


def _is_subnet(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
