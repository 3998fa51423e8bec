"""An ingress gateway's route configurations: one per port, from the Gateways that select it.

The rules are istiod's (pilot/pkg/networking/core/gateway.go): a VirtualService is reached under the hosts
that it and the server have in common; several for one host are merged, oldest first, catch-alls behind.
"""

from __future__ import annotations

from typing import Any

from localmesh.catalog import Catalog, GatewayWorkload, Proxy, Server
from localmesh.catalog.hosts import intersection, is_wildcard
from localmesh.translate.matches import is_catch_all
from localmesh.translate.names import virtual_host
from localmesh.translate.routes import RouteContext, http_routes
from localmesh.translate.virtual_hosts import route_configuration

Json = dict[str, Any]


def gateway_routes(catalog: Catalog, proxy: Proxy, gateway: GatewayWorkload) -> list[Json]:
    """The route configurations of a gateway, named ``http.<target port>``."""
    by_name: dict[str, list[Server]] = {}
    for server in gateway.servers:
        by_name.setdefault(server.route_name, []).append(server)
    return [
        route_configuration(name, _virtual_hosts(catalog, proxy, servers))
        for name, servers in sorted(by_name.items())
    ]


def _virtual_hosts(catalog: Catalog, proxy: Proxy, servers: list[Server]) -> list[Json]:
    hosts: dict[str, Json] = {}
    for server in servers:
        context = RouteContext(catalog=catalog, proxy=proxy, port=server.number, gateway=server.gateway)
        for virtual_service in catalog.virtual_services_for(proxy.namespace, server.gateway):
            common = intersection(server.hosts_for(virtual_service.namespace), virtual_service.hosts)
            routes = http_routes(virtual_service, context) if common else []
            for host in common if routes else ():
                found = hosts.setdefault(host, _virtual_host(host, server))
                found["routes"] = found.get("routes", []) + routes
        _require_tls(hosts, server)
    if not hosts:
        name = virtual_host("blackhole", servers[0].number)
        return [{"name": name, "domains": ["*"], "routes": []}]
    for found in hosts.values():
        if "routes" in found:
            found["routes"] = _catch_alls_last(found["routes"])
    return sorted(_collapsed(hosts), key=lambda host: str(host["name"]))


def _virtual_host(host: str, server: Server) -> Json:
    return {
        "name": virtual_host(host, server.number),
        "domains": [host],
        "includeRequestAttemptCount": True,
    }


def _require_tls(hosts: dict[str, Json], server: Server) -> None:
    """`httpsRedirect`: every host of the server answers plain HTTP with a redirect, routed or not."""
    if not server.https_redirect:
        return
    own = {host.name for host in server.hosts}
    for host in own | {name for name in hosts if intersection(own, [name]) == [name]}:
        hosts.setdefault(host, _virtual_host(host, server))["requireTls"] = "ALL"


def _catch_alls_last(routes: list[Json]) -> list[Json]:
    return sorted(routes, key=lambda route: is_catch_all(route["match"]))


def _collapsed(hosts: dict[str, Json]) -> list[Json]:
    """Hosts with the same routes share a virtual host, named after the longest that is no wildcard."""
    out: list[Json] = []
    for host in sorted(hosts, key=lambda host: (is_wildcard(host), -len(host), host)):
        found = hosts[host]
        twin = next((other for other in out if _same_but_names(other, found)), None)
        if twin is not None:
            twin["domains"] = twin["domains"] + found["domains"]
        else:
            out.append(found)
    return out


def _same_but_names(one: Json, other: Json) -> bool:
    return {**one, "name": "", "domains": []} == {**other, "name": "", "domains": []}
