"""An ingress gateway's route configurations: one per port, from the Gateways that select it.

The rules are istiod's (pilot/pkg/networking/core/gateway.go): a VirtualService is reached under the hosts
that it and the server have in common; several for one host are merged, oldest first, catch-alls behind.
"""

from __future__ import annotations

import json
from typing import Any

from localmesh.catalog import Catalog, GatewayWorkload, Proxy, Server
from localmesh.catalog.hosts import intersection, is_wildcard
from localmesh.translate.cache import TranslationCache
from localmesh.translate.matches import is_catch_all
from localmesh.translate.names import virtual_host
from localmesh.translate.routes import RouteContext, routes_of_each
from localmesh.translate.virtual_hosts import route_configuration, same_as_before

Json = dict[str, Any]


def gateway_routes(
    catalog: Catalog, proxy: Proxy, gateway: GatewayWorkload, memory: TranslationCache
) -> list[Json]:
    """The route configurations of a gateway, named ``http.<target port>``."""
    by_name: dict[str, list[Server]] = {}
    for server in gateway.servers:
        by_name.setdefault(server.route_name, []).append(server)
    return [
        route_configuration(
            name, same_as_before(_virtual_hosts(catalog, proxy, servers, memory), f"hosts of {name}", memory)
        )
        for name, servers in sorted(by_name.items())
    ]


def _virtual_hosts(
    catalog: Catalog, proxy: Proxy, servers: list[Server], memory: TranslationCache
) -> list[Json]:
    hosts: dict[str, Json] = {}
    for index, server in enumerate(servers):
        context = RouteContext(catalog=catalog, proxy=proxy, port=server.number, gateway=server.gateway)
        bound = [
            (virtual_service, common)
            for virtual_service in catalog.virtual_services_for(proxy.namespace, server.gateway)
            if (common := intersection(server.hosts_for(virtual_service.namespace), virtual_service.hosts))
        ]
        own = memory.scope((servers[0].route_name, index))
        made = routes_of_each((virtual_service for virtual_service, _ in bound), context, own)
        for (_, common), routes in zip(bound, made, strict=True):
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
    by_content: dict[str, Json] = {}
    for host in sorted(hosts, key=lambda host: (is_wildcard(host), -len(host), host)):
        found = hosts[host]
        twin = by_content.setdefault(json.dumps({**found, "name": "", "domains": []}, sort_keys=True), found)
        if twin is not found:
            twin["domains"] = twin["domains"] + found["domains"]
    return list(by_content.values())
