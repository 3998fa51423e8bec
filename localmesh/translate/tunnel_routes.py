"""Routes for what programs send to TCP ports through their HTTP proxy: HTTP requests, and tunnels (CONNECT).

On a cluster such connections are caught like all others, and the TCP routes of the port decide. They decide
here, too: requests are passed on without HTTP routes, and what is in a tunnel is not read. A tunnel has the
name of the host, which is the one that the client then asks for in TLS (SNI).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog import MESH, Destinations, Service, ServicePort, VirtualService
from localmesh.catalog.called_hosts import names_of_pod
from localmesh.catalog.connection_routes import ConnectionRoute
from localmesh.catalog.hosts import is_within
from localmesh.catalog.sidecar_routes import connection_routes_to
from localmesh.translate.formats import outbound_cluster, virtual_host_name
from localmesh.translate.forwarding import Forwarding
from localmesh.translate.keys import Source
from localmesh.translate.single_pods import only_pod

Json = dict[str, Any]

OF_TCP = "tcp|"
"""How the names of these virtual hosts, and of route configurations without others, begin."""


@dataclass(frozen=True, slots=True)
class Tunnels:
    """What decides where a sidecar sends tunnels: the VirtualServices with routes of connections, and it."""

    services: Sequence[tuple[Service, list[str]]]
    """Those with TCP ports, with their domains; wildcards last."""
    virtual_services: Sequence[VirtualService]
    source: Source
    destinations: Destinations

    @property
    def ports(self) -> list[int]:
        """All TCP ports."""
        all_ports = (port for service, _ in self.services for port in service.ports)
        return sorted({port.number for port in all_ports if port.protocol.is_tcp})

    def hosts(self, port: int, taken: Iterable[str] = ()) -> Iterator[Json]:
        """The virtual hosts of a port, for domains that are not taken: Envoy accepts each only once."""
        seen = set(taken)
        for service, domains in self.services:
            called = service.port(port)
            if called is not None and called.protocol.is_tcp:
                for names, destination in self._destinations(service, called, domains):
                    free = [name for name in dict.fromkeys(names) if name not in seen]
                    seen.update(free)
                    if free:
                        yield _host(free, port, destination)

    def _destinations(
        self, service: Service, port: ServicePort, domains: list[str]
    ) -> Iterator[tuple[list[str], Json]]:
        """Where each name of a Service leads: those of its routes first."""
        namespace, labels = self.source.namespace, dict(self.source.labels)
        routes = list(connection_routes_to(service, port, self.virtual_services, namespace, labels))
        for _, route, match in routes:
            names = [name for name in match.get("sniHosts") or () if is_within(name, service.host)]
            names += [f"{name}." for name in names]
            if "sniHosts" in match:
                yield names, self._destination(route, port.number)
        for_all = (
            self._destination(route, port.number) for _, route, match in routes if "sniHosts" not in match
        )
        rest = next(for_all, {"cluster": outbound_cluster(service.host, port.number)})
        for pod in service.pod_names:
            yield names_of_pod(pod, service, namespace), {**rest, **only_pod(pod)}
        yield domains, rest

    def _destination(self, route: ConnectionRoute, port: int) -> Json:
        forwarding = Forwarding(self.destinations, self.source.namespace, dict(self.source.labels))
        if len(route.targets) == 1:
            return {"cluster": forwarding.cluster(route.targets[0], port, MESH)}
        return {"weightedClusters": {"clusters": forwarding.weighted(route, port, MESH)}}


def _host(domains: Sequence[str], port: int, destination: Json) -> Json:
    return {
        "name": OF_TCP + virtual_host_name(domains[0], port),
        "domains": list(domains),
        "routes": [
            {"match": {"connectMatcher": {}}, "route": {**destination, "timeout": "0s", **_TUNNEL}},
            {"match": {"prefix": "/"}, "route": {**destination, "timeout": "0s"}},
        ],
    }


def with_tunnel(host: Json) -> Json:
    """A virtual host whose last route takes tunnels, too."""
    route = host["routes"][-1]["route"]
    tunnel = {"match": {"connectMatcher": {}}, "route": {**route, **_TUNNEL}}
    return {**host, "routes": [tunnel, *host["routes"]]}


_TUNNEL: Json = {"upgradeConfigs": [{"upgradeType": "CONNECT", "connectConfig": {}}]}
