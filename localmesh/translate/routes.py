"""One VirtualService's HTTP routes as Envoy routes, for one listener port of one proxy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from localmesh.catalog import MESH, Catalog, DestinationRule, Proxy, Service, VirtualService
from localmesh.catalog.virtual_services import match_applies
from localmesh.translate.cache import TranslationCache
from localmesh.translate.durations import duration
from localmesh.translate.filters import per_filter_config
from localmesh.translate.hashing import hash_for_destination, hash_policy
from localmesh.translate.headers import append_operations, header_operations
from localmesh.translate.matches import is_catch_all, route_match
from localmesh.translate.mirrors import mirror_policies
from localmesh.translate.names import outbound_cluster
from localmesh.translate.redirects import direct_response, redirect
from localmesh.translate.retries import retry_policy

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RouteContext:
    """For whom routes are made: the proxy, the port that it listens for, and by which gateway name."""

    catalog: Catalog
    proxy: Proxy
    port: int
    gateway: str

    def cluster(self, destination: Mapping[str, Any]) -> str:
        """The cluster of a destination."""
        host, written = destination["host"], (destination.get("port") or {}).get("number")
        port = self.catalog.destinations.port_of(host, written, listener_port=self.port, gateway=self.gateway)
        return outbound_cluster(host, port, destination.get("subset", ""))

    def concerns(self, match: Mapping[str, Any] | None) -> bool:
        """Whether this proxy has routes for a match."""
        namespace, labels = self.proxy.namespace, self.proxy.labels
        return match_applies(match, port=self.port, gateway=self.gateway, namespace=namespace, labels=labels)


class _Routed(NamedTuple):
    """All that decides the routes of one VirtualService, for the proxies of one kind, namespace and look.

    The rules of the hosts that it leads to have the consistent hashes, their Services the only ports.
    """

    virtual_service: VirtualService
    rules: tuple[DestinationRule | None, ...]
    services: tuple[Service | None, ...]


def routes_of_each(
    virtual_services: Iterable[VirtualService], context: RouteContext, memory: TranslationCache
) -> list[list[Json]]:
    """The Envoy routes of several VirtualServices."""
    catalog, namespace = context.catalog, context.proxy.namespace
    inputs = (
        _Routed(
            virtual_service=each,
            rules=tuple(catalog.rule_for(host, namespace) for host in each.destination_hosts),
            services=() if context.gateway == MESH else tuple(map(catalog.service, each.destination_hosts)),
        )
        for each in virtual_services
    )
    name = f"routes by {context.gateway}:{context.port}"
    return memory.each(name, inputs, lambda each: http_routes(each.virtual_service, context))


def http_routes(virtual_service: VirtualService, context: RouteContext) -> list[Json]:
    """The Envoy routes, in order; what follows a catch-all is left out, as it is never reached."""
    out: list[Json] = []
    for route in virtual_service.http:
        for match in route.get("match") or [None]:
            if not context.concerns(match):
                continue
            out.append(_route(route, match, virtual_service, context))
            if is_catch_all(out[-1]["match"]):
                return out
    return out


def default_route(cluster: str, operation: str, consistent_hash: Mapping[str, Any] | None = None) -> Json:
    """The route of a Service that no VirtualService routes: no timeout, Istio's default retries."""
    action: Json = {"cluster": cluster, "timeout": "0s", "retryPolicy": retry_policy(None)}
    policy = hash_policy(consistent_hash)
    if policy:
        action["hashPolicy"] = [policy]
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {**action, "maxGrpcTimeout": "0s"},
        "decorator": {"operation": operation},
    }


def _route(
    route: Mapping[str, Any],
    match: Mapping[str, Any] | None,
    virtual_service: VirtualService,
    context: RouteContext,
) -> Json:
    out: Json = {"match": route_match(match)}
    name = route.get("name", "") + ("." + match["name"] if match and match.get("name") else "")
    if name:
        out["name"] = name
    config = (
        f"/apis/networking.istio.io/v1/namespaces/{virtual_service.namespace}"
        f"/virtual-service/{virtual_service.name}"
    )
    out["metadata"] = {"filterMetadata": {"istio": {"config": config}}}
    operations, authority = header_operations(route.get("headers"))
    out.update(operations)
    if "redirect" in route:
        out["redirect"] = redirect(route["redirect"], context.port)
    elif "directResponse" in route:
        out["directResponse"] = direct_response(route["directResponse"])
    else:
        out["route"] = _action(route, out, authority, context)
    out["decorator"] = {"operation": _operation(out, virtual_service.name, context.port)}
    filters = per_filter_config(route)
    if filters:
        out["typedPerFilterConfig"] = filters
    return out


def _action(route: Mapping[str, Any], out: Json, authority: str, context: RouteContext) -> Json:
    action: Json = {"timeout": duration(route["timeout"]) if "timeout" in route else "0s"}
    action["maxGrpcTimeout"] = action["timeout"]
    rewrite = route.get("rewrite") or {}
    authority = _rewrite(action, rewrite) or authority
    if authority:
        action["hostRewriteLiteral"] = authority
    mirrors = mirror_policies(route, context.cluster)
    if mirrors:
        action["requestMirrorPolicies"] = mirrors
    destinations: Sequence[Mapping[str, Any]] = route.get("route") or []
    hashes = [
        hash_for_destination(context.catalog, context.proxy.namespace, entry["destination"])
        for entry in destinations
        if len(destinations) == 1 or entry.get("weight", 0)
    ]
    policies = [policy for policy in map(hash_policy, hashes) if policy]
    if policies:
        action["hashPolicy"] = policies
    if len(destinations) == 1:
        _single_destination(destinations[0], action, out, context)
    else:
        action["weightedClusters"] = {"clusters": _weighted(destinations, context)}
    pinned = len(destinations) == 1 and hashes[0] is not None
    retries = retry_policy(route.get("retries"), consistent_hash=pinned)
    if retries:
        action["retryPolicy"] = retries
    return action


def _rewrite(action: Json, rewrite: Mapping[str, Any]) -> str:
    """Sets the path rewrite; gives the authority to rewrite to, or ""."""
    regex = rewrite.get("uriRegexRewrite")
    if regex:
        action["regexRewrite"] = {"pattern": {"regex": regex["match"]}, "substitution": regex["rewrite"]}
    elif rewrite.get("uri"):
        action["prefixRewrite"] = rewrite["uri"]
    return str(rewrite.get("authority", ""))


def _single_destination(entry: Mapping[str, Any], action: Json, out: Json, context: RouteContext) -> None:
    action["cluster"] = context.cluster(entry["destination"])
    operations, authority = header_operations(entry.get("headers"))
    append_operations(out, operations)
    if authority:
        action.setdefault("hostRewriteLiteral", authority)


def _weighted(destinations: Sequence[Mapping[str, Any]], context: RouteContext) -> list[Json]:
    clusters = []
    for entry in destinations:
        if not entry.get("weight", 0):
            continue
        operations, authority = header_operations(entry.get("headers"))
        cluster = {"name": context.cluster(entry["destination"]), "weight": entry["weight"], **operations}
        if authority:
            cluster["hostRewriteLiteral"] = authority
        clusters.append(cluster)
    return clusters


def _operation(route: Json, virtual_service: str, port: int) -> str:
    """The route's name in traces: its one destination, else the VirtualService, and the path."""
    match = route["match"]
    path = match.get("path") or match.get("safeRegex", {}).get("regex") or match.get("prefix", "/") + "*"
    cluster = route.get("route", {}).get("cluster", "")
    if cluster:
        _, cluster_port, _, host = cluster.split("|")
        return f"{host}:{cluster_port}{path}"
    return f"{virtual_service}:{port}{path}"
