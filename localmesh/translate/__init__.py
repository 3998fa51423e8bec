"""Translation: what a proxy is told, from the catalog alone. Pure: no files, clock, network or processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localmesh.catalog import Catalog, Proxy, ProxyKind
from localmesh.translate.cache import TranslationCache
from localmesh.translate.clusters import fixed_clusters, inbound_clusters, inbound_service, outbound_clusters
from localmesh.translate.endpoints import endpoints
from localmesh.translate.gateway_routes import gateway_routes
from localmesh.translate.inbound_routes import inbound_route
from localmesh.translate.listeners import (
    gateway_listeners,
    inbound_listeners,
    intercepts,
    outbound_listener,
    scopes,
)
from localmesh.translate.policies import policies
from localmesh.translate.virtual_hosts import outbound_ports, outbound_routes, sniffed_routes

__all__ = ["ProxyConfig", "TranslationCache", "intercepts", "translate"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """One proxy's configuration as Envoy's documented JSON, each list sorted as Istio sorts it.

    `routes` are delivered as such; `scopes` say which of them a sidecar uses for which port;
    `further_routes` are not delivered but belong to the picture: the inbound ones, which stand inside
    their listeners, and those that Istio keeps apart for each Service port of unknown protocol.
    `policies` fill the slots that listeners have for them.
    """

    listeners: tuple[Json, ...]
    scopes: tuple[Json, ...]
    routes: tuple[Json, ...]
    further_routes: tuple[Json, ...]
    clusters: tuple[Json, ...]
    endpoints: tuple[Json, ...]
    policies: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Outbound:
    """What a proxy is told about all that it can call; proxies that see the same share it."""

    scopes: tuple[Json, ...]
    routes: tuple[Json, ...]
    sniffed_routes: tuple[Json, ...]
    clusters: tuple[Json, ...]
    endpoints: tuple[Json, ...]


def translate(catalog: Catalog, proxy: Proxy, memory: TranslationCache | None = None) -> ProxyConfig:
    """The configuration of one proxy.

    With a memory, what is as an earlier call made it is the same object again, up to the whole.
    """
    memory = memory or TranslationCache()
    own = memory.scope((proxy.kind, proxy.namespace, proxy.name))
    outbound = _outbound(catalog, proxy, memory)
    if proxy.kind is ProxyKind.GATEWAY:
        return _gateway(catalog, proxy, outbound, own)
    return _sidecar(catalog, proxy, outbound, own)


def _outbound(catalog: Catalog, proxy: Proxy, memory: TranslationCache) -> _Outbound:
    # proxies that differ in their labels alone are told the same, unless somebody looks at labels
    labels = tuple(sorted(proxy.labels.items())) if catalog.depends_on_source_labels else ()
    shared = memory.scope((proxy.kind, proxy.namespace, labels))
    # the second proxy of a kind costs nothing: it has the very catalog of the first
    return shared.whole("for all", (catalog,), lambda: _outbound_anew(catalog, proxy, shared))


def _outbound_anew(catalog: Catalog, proxy: Proxy, shared: TranslationCache) -> _Outbound:
    view = catalog.sidecar_scope(proxy)
    mesh = (view.services, catalog.services, catalog.destinations.rules)
    running = (*mesh, catalog.pods, catalog.peer_authentications)
    clusters = shared.whole("clusters", running, lambda: tuple(outbound_clusters(catalog, proxy, shared)))
    assignments = shared.whole("endpoints", running, lambda: tuple(endpoints(catalog, proxy, shared)))
    ports: list[int] = []
    routes: tuple[Json, ...] = ()
    if proxy.kind is ProxyKind.SIDECAR:
        ports = shared.whole("ports", mesh, lambda: outbound_ports(catalog, proxy))
        inputs = (*mesh, view)
        routes = shared.whole("routes", inputs, lambda: tuple(outbound_routes(catalog, proxy, shared)))
    return shared.whole(
        "outbound",
        (ports, routes, clusters, assignments),
        lambda: _Outbound(
            tuple(scopes(ports)),
            routes,
            tuple(sniffed_routes(routes, catalog, proxy)),
            clusters,
            assignments,
        ),
    )


def _sidecar(catalog: Catalog, proxy: Proxy, outbound: _Outbound, own: TranslationCache) -> ProxyConfig:
    inbound = [(port, inbound_service(catalog, proxy, port)) for port in proxy.inbound]
    towards_application = inbound_clusters(catalog, proxy)

    def made() -> ProxyConfig:
        listener = [outbound_listener(proxy.outbound)] if proxy.outbound else []
        inbound_routes = [
            inbound_route(found[0], found[1], port)
            for port, found in inbound
            if found and found[1].protocol.may_be_http
        ]
        return ProxyConfig(
            listeners=own.same("listeners", (*listener, *inbound_listeners(catalog, proxy))),
            scopes=outbound.scopes,
            routes=outbound.routes,
            further_routes=(*inbound_routes, *outbound.sniffed_routes),
            clusters=own.same("clusters", (*fixed_clusters(), *towards_application, *outbound.clusters)),
            endpoints=outbound.endpoints,
            policies=own.same("policies", tuple(policies(catalog, proxy))),
        )

    policies_in_force = catalog.policies_for(proxy), catalog.jwt_rules_for(proxy)
    inputs = (proxy, outbound, inbound, towards_application, catalog.peer_authentications)
    return own.whole("config", (*inputs, *policies_in_force), made)


def _gateway(catalog: Catalog, proxy: Proxy, outbound: _Outbound, own: TranslationCache) -> ProxyConfig:
    gateway = catalog.gateway(proxy.namespace, proxy.workload)
    if gateway is None:
        raise LookupError(f"{proxy.namespace}/{proxy.workload} is not a gateway")
    mesh = (gateway, catalog.virtual_services, catalog.services, catalog.destinations.rules)
    routes = own.whole("routes", mesh, lambda: tuple(gateway_routes(catalog, proxy, gateway, own)))

    def made() -> ProxyConfig:
        return ProxyConfig(
            listeners=own.same("listeners", tuple(gateway_listeners(proxy, gateway))),
            scopes=(),
            routes=routes,
            further_routes=(),
            clusters=own.same("clusters", (*fixed_clusters()[:1], *outbound.clusters)),
            endpoints=outbound.endpoints,
            policies=own.same("policies", tuple(policies(catalog, proxy))),
        )

    policies_in_force = catalog.policies_for(proxy), catalog.jwt_rules_for(proxy)
    return own.whole("config", (proxy, gateway, outbound, routes, *policies_in_force), made)
