"""Translation: what a proxy is told, from the catalog alone. Pure: no files, clock, network or processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localmesh.catalog import Catalog, Proxy, ProxyKind
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

__all__ = ["ProxyConfig", "intercepts", "translate"]

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


def translate(catalog: Catalog, proxy: Proxy) -> ProxyConfig:
    """The configuration of one proxy."""
    if proxy.kind is ProxyKind.GATEWAY:
        return _gateway(catalog, proxy)
    return _sidecar(catalog, proxy)


def _sidecar(catalog: Catalog, proxy: Proxy) -> ProxyConfig:
    outbound = [outbound_listener(proxy.outbound)] if proxy.outbound else []
    routes = outbound_routes(catalog, proxy)
    inbound = [
        inbound_route(found[0], found[1], port)
        for port in proxy.inbound
        if (found := inbound_service(catalog, proxy, port)) and found[1].protocol.may_be_http
    ]
    return ProxyConfig(
        listeners=(*outbound, *inbound_listeners(catalog, proxy)),
        scopes=tuple(scopes(outbound_ports(catalog, proxy))),
        routes=tuple(routes),
        further_routes=(*inbound, *sniffed_routes(routes, catalog, proxy)),
        clusters=(
            *fixed_clusters(),
            *inbound_clusters(catalog, proxy),
            *outbound_clusters(catalog, proxy),
        ),
        endpoints=tuple(endpoints(catalog, proxy)),
        policies=tuple(policies(catalog, proxy)),
    )


def _gateway(catalog: Catalog, proxy: Proxy) -> ProxyConfig:
    gateway = catalog.gateway(proxy.workload)
    if gateway is None:
        raise LookupError(f"no Gateway selects {proxy.workload}")
    return ProxyConfig(
        listeners=tuple(gateway_listeners(proxy, gateway)),
        scopes=(),
        routes=tuple(gateway_routes(catalog, proxy, gateway)),
        further_routes=(),
        clusters=(*fixed_clusters()[:1], *outbound_clusters(catalog, proxy)),
        endpoints=tuple(endpoints(catalog, proxy)),
        policies=tuple(policies(catalog, proxy)),
    )
