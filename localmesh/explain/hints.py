"""Warnings about requests that arrive, but probably not as they were meant to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localmesh.catalog import MESH, Catalog
from localmesh.catalog.hosts import is_wildcard, overlap
from localmesh.explain.cause import Cause
from localmesh.explain.explanation import Destination, Explanation, Hop, HopKind, Reference, Routing
from localmesh.explain.host_choice import full_names, service_reference
from localmesh.problems import FieldPath

_ENCRYPTED = ("https", "tls")
"""Protocols of ports that take TLS, as manifests write them."""
_PLAIN = ("", "DISABLE", "ISTIO_MUTUAL")
"""Modes of TLS towards a destination after which an application gets what the caller has sent."""


def hints(catalog: Catalog, explanation: Explanation) -> Iterator[Cause]:
    """What to look at in the routes and destinations of a request."""
    for hop in explanation.hops:
        if hop.routing is not None and hop.routing.configuration:  # others forward what they get
            yield from _of_rewrite(hop, hop.routing)
            for destination in hop.routing.destinations:
                yield from _of_encrypted_port(catalog, destination)
            if hop.kind is HopKind.OUTBOUND:
                yield from _of_made_up_host(catalog, hop, hop.routing)
        elif hop.routing is not None and hop.kind is HopKind.OUTBOUND:
            yield from _of_tcp_port(catalog, hop)


def _of_rewrite(hop: Hop, routing: Routing) -> Iterator[Cause]:
    """A rewrite that leaves two slashes: of a prefix without one at its end, by a path with one."""
    rule, rewrite = routing.rule, routing.actions.rewrite_path
    prefix = str(rule.match.get("prefix", "")) if rule is not None else ""
    rest = hop.message.bare_path[len(prefix) :]
    if rule is not None and prefix and rewrite.endswith("/") and rest.startswith("/"):
        yield Cause(
            f'the path becomes "{rewrite}{rest}": the prefix "{prefix}" does not end with a slash, '
            "and the rewrite does",
            f'match the prefix "{prefix}/", and "{prefix}" exactly in a second match',
            rule.fields.get("rewrite"),
            is_warning=True,
        )


def _of_made_up_host(catalog: Catalog, hop: Hop, routing: Routing) -> Iterator[Cause]:
    """A host that only a VirtualService names: on a cluster its name needs an address as well."""
    names = full_names(hop.message.host, hop.namespace)
    is_known = any(catalog.destinations.services_at(name) for name in names)
    is_covered = any(
        is_wildcard(service.host) and overlap(service.host, names[0]) for service in catalog.services
    )
    if routing.rule is None or not routing.rule.virtual_service or is_known or is_covered:
        return
    yield Cause(
        f"no Service or ServiceEntry has the host {hop.message.host}: on a cluster the request arrives only "
        "if DNS knows the name",
        "write a ServiceEntry or a Service for the host, or call a Service that exists",
        routing.rule.reference,
        is_warning=True,
    )


def _of_tcp_port(catalog: Catalog, hop: Hop) -> Iterator[Cause]:
    """HTTP routes for a host whose port is TCP: they do not apply to its connections."""
    names = full_names(hop.message.host, hop.namespace)
    service = next(filter(None, map(catalog.service, names)), None)
    port = service.port(hop.message.port) if service is not None else None
    if service is None or port is None:
        return
    for virtual_service in catalog.virtual_services_for(hop.namespace, MESH):
        if virtual_service.http and any(overlap(host, service.host) for host in virtual_service.hosts):
            yield Cause(
                f'{service.subject}: its port {port.number} is named "{port.name}", so Istio takes it for '
                f"{port.protocol.value} and applies no HTTP routes, such as those of "
                f"{virtual_service.resource.place.subject}",
                "name the port http, or set appProtocol: http",
                Reference(*virtual_service.resource.origin(FieldPath("spec", "http"))),
                is_warning=True,
            )


def _of_encrypted_port(catalog: Catalog, destination: Destination) -> Iterator[Cause]:
    """A port that takes TLS, to which the request is sent as plain HTTP."""
    service = catalog.service(destination.host)
    reference = service_reference(catalog, service) if service is not None else None
    if service is None or reference is None:
        return
    protocol = _protocol(reference.resource.spec["ports"], destination.port)
    mode = next((setting.value for setting in destination.settings if setting.name == "TLS"), "")
    is_gateway = any(service.selects(of.namespace, of.labels) for of in catalog.gateways)
    plain = ("", "DISABLE") if is_gateway else _PLAIN  # a server of a gateway may take the mesh's mTLS
    if protocol in _ENCRYPTED and mode in plain:
        yield Cause(
            f"port {destination.port} of {reference.subject} is {protocol.upper()}, and the request is sent "
            "to it as plain HTTP",
            f"write a DestinationRule for {destination.host} with tls: {{mode: SIMPLE}}, so that the proxy "
            "encrypts the request, or route to a port with HTTP",
            reference,
            is_warning=True,
        )


def _protocol(ports: Iterable[Mapping[str, Any]], number: int) -> str:
    """The protocol of a port of a Service or ServiceEntry as it is declared, in lower case; "" for none."""
    port = next((port for port in ports if port.get("number", port.get("port")) == number), {})
    by_name = str(port.get("name", "")).partition("-")[0]
    declared = port.get("protocol") if "number" in port else port.get("appProtocol")
    return str(declared or by_name).lower()
