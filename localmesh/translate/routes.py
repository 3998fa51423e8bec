"""One VirtualService's HTTP routes as Envoy routes, for one port of one listener.

istiod: pilot/pkg/networking/core/route/route.go, `BuildHTTPRoutesForVirtualService`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from localmesh.catalog import MESH, DestinationRule, Destinations, Service, VirtualService
from localmesh.catalog.destinations import destination_port
from localmesh.catalog.http_routes import Destination, HttpMatch, HttpRoute, WeightedDestination
from localmesh.catalog.virtual_services import match_applies
from localmesh.formats.regexes import quote_meta
from localmesh.translate.formats import NO_CLUSTER, config_name, duration, outbound_cluster
from localmesh.translate.hashing import hash_for_destination, hash_for_service, hash_policies
from localmesh.translate.http_filters import per_filter_config
from localmesh.translate.keys import Source
from localmesh.translate.matches import route_match
from localmesh.translate.retries import retry_policy
from localmesh.translate.route_actions import (
    HeaderOperations,
    direct_response,
    header_operations,
    host_rewrite,
    mirror_policies,
    path_rewrite,
    redirect,
)

Json = dict[str, Any]


class RouteContext(NamedTuple):
    """What routes are made for: a proxy, its port, and the gateway that it serves there, or `MESH`."""

    source: Source
    port: int
    gateway: str
    is_tls: bool = False
    """Whether the servers of the port have TLS settings, which decides the default port of redirects."""

    def applies(self, match: HttpMatch | None) -> bool:
        """Whether the proxy has routes for a match."""
        namespace, labels = self.source.namespace, dict(self.source.labels)
        return match_applies(match, port=self.port, gateway=self.gateway, namespace=namespace, labels=labels)


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Envoy routes in order; compared by identity, as equal inputs give the same object."""

    routes: tuple[Json, ...]


class VirtualServiceRoutes(NamedTuple):
    """The routes of one VirtualService.

    `rules`, `services` and `resolved` (what aliases stand for) belong to the hosts that it leads to, in the
    order of these. Of the services only gateways need to know.
    """

    virtual_service: VirtualService
    context: RouteContext
    rules: tuple[DestinationRule | None, ...]
    services: tuple[Service | None, ...]
    resolved: tuple[str, ...]

    @classmethod
    def of(
        cls, virtual_service: VirtualService, context: RouteContext, destinations: Destinations
    ) -> VirtualServiceRoutes:
        """The routes of a VirtualService, with everything that decides them."""
        hosts = virtual_service.destination_hosts
        rules = tuple(context.source.rule_for(destinations, host) for host in hosts)
        services = () if context.gateway == MESH else tuple(map(destinations.service, hosts))
        return cls(virtual_service, context, rules, services, tuple(map(destinations.resolved, hosts)))

    def build(self) -> Routes:
        """The routes."""
        hosts = self.virtual_service.destination_hosts
        targets = _Targets(
            self.context,
            rules=dict(zip(hosts, self.rules, strict=True)),
            services=dict(zip(hosts, self.services, strict=False)),
            resolved=dict(zip(hosts, self.resolved, strict=True)),
        )
        virtual_service = self.virtual_service
        return Routes(
            tuple(
                _route(virtual_service.http[index], match, virtual_service, targets)
                for index, match in virtual_service.routes_for(self.context.applies)
            )
        )


class DefaultRoute(NamedTuple):
    """The route of a Service's port that no VirtualService routes: no timeout, the default retries."""

    host: str
    port: int
    rule: DestinationRule | None
    source: Source

    def build(self) -> Routes:
        """The one route."""
        hashed = hash_for_service(self.rule, self.port)
        retries = retry_policy(self.source.default_retries)
        route = {
            "name": "default",
            "match": {"prefix": "/"},
            "route": {
                "cluster": outbound_cluster(self.host, self.port),
                "timeout": "0s",
                "maxGrpcTimeout": "0s",
                **({"retryPolicy": retries} if retries else {}),
                **hash_policies([hashed]),
            },
            "decorator": {"operation": f"{self.host}:{self.port}/*"},
        }
        return Routes((route,))


@dataclass(frozen=True, slots=True)
class _Targets:
    """What the destinations of a route lead to."""

    context: RouteContext
    rules: Mapping[str, DestinationRule | None]
    services: Mapping[str, Service | None]
    resolved: Mapping[str, str]

    def cluster(self, destination: Destination) -> str:
        """The cluster of a destination; one that does not exist for a backend that must not be used."""
        if not destination.host:
            return NO_CLUSTER
        port = destination_port(
            self.services.get(destination.host),
            destination.port,
            listener_port=self.context.port,
            gateway=self.context.gateway,
        )
        return outbound_cluster(self.resolved[destination.host], port, destination.subset)

    def consistent_hash(self, destination: Destination) -> Mapping[str, Any] | None:
        """What requests to a destination are hashed by."""
        return hash_for_destination(self.rules[destination.host], destination)


def _route(
    route: HttpRoute, match: HttpMatch | None, virtual_service: VirtualService, targets: _Targets
) -> Json:
    """One Envoy route, merged from fragments."""
    envoy_match = route_match(match, by_segments=virtual_service.matches_segments)
    name = route.name + (f".{match['name']}" if match and match.get("name") else "")
    operations = _header_operations(route)
    action = _action(route, operations, targets)
    if virtual_service.is_of_gateway_api and "route" in action:
        action = {"route": _of_gateway_api(action["route"], route, envoy_match)}
    filters = per_filter_config(route)
    return {
        "match": envoy_match,
        **({"name": name} if name else {}),
        "metadata": {
            "filterMetadata": {
                "istio": {
                    "config": config_name("virtual-service", virtual_service.namespace, virtual_service.name)
                }
            }
        },
        **operations.fields,
        **action,
        "decorator": {
            "operation": _operation(envoy_match, action, virtual_service.name, targets.context.port)
        },
        **({"typedPerFilterConfig": filters} if filters else {}),
    }


def _of_gateway_api(action: Json, route: HttpRoute, envoy_match: Json) -> Json:
    """How a route of the Gateway API differs: 500 without a cluster, and `/` removes a prefix."""
    out: Json = {**action, "clusterNotFoundResponseCode": "INTERNAL_SERVER_ERROR"}
    if route.rewrite.get("uri") == "/":
        del out["prefixRewrite"]
        prefix = quote_meta(envoy_match.get("pathSeparatedPrefix", ""))
        pattern = {"regex": f"^{prefix}(/?)(.*)"}
        out["regexRewrite"] = {"pattern": pattern, "substitution": r"/\2"}
    return out


def _header_operations(route: HttpRoute) -> HeaderOperations:
    """The route's own operations, and those of its destination if there is only one.

    Where there are several, Envoy does each destination's operations when it has chosen that destination.
    """
    own = header_operations(route.headers)
    if len(route.destinations) != 1 or route.redirect is not None or route.direct_response is not None:
        return own
    return own.followed_by(header_operations(route.destinations[0].headers))


def _action(route: HttpRoute, operations: HeaderOperations, targets: _Targets) -> Json:
    if route.redirect is not None:
        return redirect(route.redirect, targets.context.port, is_tls=targets.context.is_tls)
    if route.direct_response is not None:
        return direct_response(route.direct_response)
    timeout = duration(route.timeout) if route.timeout is not None else "0s"
    return {
        "route": {
            "timeout": timeout,
            "maxGrpcTimeout": timeout,
            **path_rewrite(route.rewrite),
            **host_rewrite(route.rewrite.get("authority") or operations.authority),
            **mirror_policies(route.mirrors, targets.cluster),
            **_destinations(route, targets),
        }
    }


def _destinations(route: HttpRoute, targets: _Targets) -> Json:
    """Where requests go: to a cluster or to several by weight; with the hashing and retries for these."""
    is_single = len(route.destinations) == 1
    chosen = [weighted for weighted in route.destinations if is_single or weighted.weight]
    hashes = [targets.consistent_hash(weighted.destination) for weighted in chosen]
    own = targets.context.source.default_retries if route.retries is None else route.retries
    retries = retry_policy(own, consistent_hash=is_single and hashes[0] is not None)
    if is_single:
        clusters: Json = {"cluster": targets.cluster(chosen[0].destination)}
    else:
        weighted_clusters = [_weighted_cluster(weighted, targets) for weighted in chosen]
        clusters = {"weightedClusters": {"clusters": weighted_clusters}}
    return {**hash_policies(hashes), **clusters, **({"retryPolicy": retries} if retries else {})}


def _weighted_cluster(weighted: WeightedDestination, targets: _Targets) -> Json:
    operations = header_operations(weighted.headers)
    return {
        "name": targets.cluster(weighted.destination),
        "weight": weighted.weight,
        **operations.fields,
        **host_rewrite(operations.authority),
    }


def _operation(match: Json, action: Json, virtual_service: str, port: int) -> str:
    """The route's name in traces: its one destination, else the VirtualService, and the path.

    istiod: route.go, `GetRouteOperation`.
    """
    path = match.get("path") or match.get("safeRegex", {}).get("regex") or match.get("prefix", "/") + "*"
    cluster = action.get("route", {}).get("cluster", "")
    if "|" in cluster:
        _, cluster_port, _, host = cluster.split("|")
        return f"{host}:{cluster_port}{path}"
    return f"{virtual_service}:{port}{path}"
