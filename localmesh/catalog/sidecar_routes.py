"""Which routes of connections a sidecar has for a port of a Service.

istiod: pilot/pkg/networking/core/tls.go, buildSidecarOutboundTLSFilterChainOpts and …TCPFilterChainOpts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from localmesh.catalog.connection_routes import ConnectionRoute, Match
from localmesh.catalog.hosts import overlap
from localmesh.catalog.services import Protocol, Service, ServicePort
from localmesh.catalog.virtual_services import MESH, VirtualService


def connection_routes_to(
    service: Service,
    port: ServicePort,
    virtual_services: Iterable[VirtualService],
    namespace: str,
    labels: Mapping[str, str],
) -> Iterator[tuple[VirtualService, ConnectionRoute, Match]]:
    """The routes for a port of a Service at a sidecar in a namespace with these labels.

    Each has the match by which it applies. Of `tls` routes, which are for ports of TLS, the first for the
    same names applies; of `tcp` routes, which are for the other TCP ports, only the first.
    """
    kind = "tls" if port.protocol is Protocol.TLS else "tcp"
    seen: set[tuple[str, ...]] = set()
    for virtual_service in virtual_services:
        if not any(overlap(host, service.host) for host in virtual_service.hosts):
            continue
        for route in virtual_service.connection_routes:
            matches = route.at_sidecar(port.number, MESH, namespace, labels) if route.kind == kind else ()
            for match in matches if route.targets else ():
                names = tuple(match.get("sniHosts") or ())
                if names not in seen and _includes(match.get("destinationSubnets") or (), service):
                    seen.add(names)
                    yield virtual_service, route, match
                    if kind == "tcp":
                        return


def _includes(subnets: Sequence[str], service: Service) -> bool:
    """Whether callers of a Service connect to an address of these networks; without any, to every one.

    No Service has an address here, unless the manifests name one.
    """
    addresses = [address for address in service.addresses if "/" not in address]
    networks = [ip_network(subnet, strict=False) for subnet in subnets]
    return not networks or any(ip_address(one) in network for one in addresses for network in networks)
