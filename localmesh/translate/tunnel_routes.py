"""Routes for what programs send to TCP ports through their HTTP proxy: HTTP requests, and tunnels (CONNECT).

On a cluster such connections are caught like all others, and the TCP routes of the port decide. They decide
here, too: requests are passed on without HTTP routes, and what is in a tunnel is not read. A tunnel has the
name of the host, which is the one that the client then asks for in TLS (SNI).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from localmesh.catalog import MESH, Destinations, Service, ServicePort, VirtualService
from localmesh.catalog.connection_routes import ConnectionRoute
from localmesh.catalog.sidecar_routes import connection_routes_to
from localmesh.translate.formats import outbound_cluster, virtual_host_name
from localmesh.translate.forwarding import Forwarding
from localmesh.translate.keys import Source

Json = dict[str, Any]

OF_TCP = "tcp|"
"""How the names of these virtual hosts, and of route configurations without others, begin."""


@dataclass(frozen=True, slots=True)
class Tunnels:
    """What decides where a sidecar sends tunnels: the VirtualServices with routes of connections, and it."""

    virtual_services: Sequence[VirtualService]
    source: Source
    destinations: Destinations

    def hosts(self, service: Service, port: ServicePort, domains: Sequence[str]) -> Iterator[Json]:
        """The virtual hosts of a port: one for the names of each route, and one for the rest of its names."""
        namespace, labels = self.source.namespace, dict(self.source.labels)
        taken: set[str] = set()
        routes = connection_routes_to(service, port, self.virtual_services, namespace, labels)
        for _, route, match in routes:
            names = [name for name in match.get("sniHosts") or domains if name not in taken]
            taken.update(names)
            if names:
                yield _host(names, port.number, self._destination(route, port.number))
        rest = [name for name in domains if name not in taken]
        if rest:
            yield _host(rest, port.number, {"cluster": outbound_cluster(service.host, port.number)})

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


_TUNNEL: Json = {"upgradeConfigs": [{"upgradeType": "CONNECT", "connectConfig": {}}]}
