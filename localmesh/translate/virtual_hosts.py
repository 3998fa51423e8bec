"""A sidecar's outbound route configurations: per port, a virtual host for every host that can be called.

The names and their order are istiod's (pilot/pkg/networking/core/httproute.go); a VirtualService bound to
the mesh takes the place of the default route of the Services that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from localmesh.catalog import MESH, Catalog, DestinationRule, Protocol, Proxy, Service, VirtualService
from localmesh.catalog.hosts import is_wildcard, overlap
from localmesh.translate.cache import TranslationCache
from localmesh.translate.hashing import hash_for_service
from localmesh.translate.names import ALLOW_ANY, BLOCK_ALL, PASSTHROUGH, outbound_cluster, virtual_host
from localmesh.translate.routes import RouteContext, default_route, routes_of_each

Json = dict[str, Any]
_HTTP_DEFAULT_PORT = 80


def outbound_ports(catalog: Catalog, proxy: Proxy) -> list[int]:
    """The ports that a sidecar takes HTTP calls for: those of Services, and 80.

    In a cluster the ingress gateway's own Service has port 80, so there are always routes for it: to hosts
    that only a VirtualService names, and out of the mesh.
    """
    of_services = {
        port.number
        for service in catalog.sidecar_scope(proxy).services
        for port in service.ports
        if port.protocol.may_be_http
    }
    return sorted(of_services | {_HTTP_DEFAULT_PORT})


def outbound_routes(catalog: Catalog, proxy: Proxy, memory: TranslationCache) -> list[Json]:
    """The route configurations of a sidecar, one per port, named after the port."""
    unknown = _catch_all() if catalog.sidecar_scope(proxy).allows_unknown else _block_all()
    return [
        route_configuration(str(port), [*_virtual_hosts(catalog, proxy, port, memory), unknown])
        for port in outbound_ports(catalog, proxy)
    ]


def sniffed_routes(routes: Iterable[Json], catalog: Catalog, proxy: Proxy) -> list[Json]:
    """The route configurations, named ``host:port``, of Service ports whose protocol is detected.

    Istio has a listener for each, at the Service's address, and so a virtual host for any authority. The
    proxy port serves the same routes from the configuration of the port.
    """
    by_name = {host["name"]: host for routes_of_port in routes for host in routes_of_port["virtualHosts"]}
    out = []
    for service in catalog.sidecar_scope(proxy).callable:
        for port in service.ports:
            name = virtual_host(service.host, port.number)
            if port.protocol is Protocol.SNIFFED and name in by_name:
                out.append(route_configuration(name, [{**by_name[name], "domains": ["*"]}]))
    return out


def route_configuration(name: str, virtual_hosts: list[Json]) -> Json:
    """A route configuration with what Istio sets on each."""
    return {
        "name": name,
        "virtualHosts": virtual_hosts,
        "validateClusters": False,
        "maxDirectResponseBodySizeBytes": 1048576,
        "ignorePortInHostMatching": True,
    }


def _virtual_hosts(catalog: Catalog, proxy: Proxy, port: int, memory: TranslationCache) -> list[Json]:
    context = RouteContext(catalog=catalog, proxy=proxy, port=port, gateway=MESH)
    view = catalog.sidecar_scope(proxy)
    on_port = {
        service.host: service
        for service in view.callable
        if (found := service.port(port)) is not None and found.protocol.may_be_http
    }
    routed: Sequence[VirtualService] = view.virtual_services
    if port != _HTTP_DEFAULT_PORT:
        # on port 80 a VirtualService may also name hosts that are no Services
        routed = [vs for vs in routed if any(_names_one_of(host, on_port) for host in vs.hosts)]
    names = _Names()
    routes = dict(zip(routed, routes_of_each(routed, context, memory), strict=True))
    out = [host for vs in routed for host in _of_virtual_service(vs, routes, context, on_port, names)]
    plain = [service for service in on_port.values() if not names.is_routed(service)]
    for service, default in zip(plain, _default_routes(plain, context, memory), strict=True):
        out.extend(names.virtual_host(service.host, _domains(service, proxy), default, port))
    return same_as_before(sorted(out, key=lambda host: str(host["name"])), f"hosts of {port}", memory)


def same_as_before(hosts: list[Json], name: str, memory: TranslationCache) -> list[Json]:
    """The virtual hosts, in place of those that are what they were the very objects of before."""
    by_parts = {
        # a route that is the same object is the same route: whoever is remembered keeps it alive
        (host["name"], *host["domains"], host.get("requireTls"), *map(id, host.get("routes", ()))): host
        for host in hosts
    }
    return memory.each(name, by_parts, by_parts.__getitem__)


def _of_virtual_service(
    virtual_service: VirtualService,
    routes_of: Mapping[VirtualService, list[Json]],
    context: RouteContext,
    on_port: dict[str, Service],
    names: _Names,
) -> Iterator[Json]:
    routes = routes_of[virtual_service]
    if not routes:
        return
    services: list[Service] = []
    others: list[str] = []
    for host in virtual_service.hosts:
        if is_wildcard(host):
            inside = [service for service in on_port.values() if overlap(host, service.host)]
            services += [s for s in inside if _most_specific(s, routes_of) is virtual_service]
            if not inside:
                others.append(host)
        elif host in on_port:
            services.append(on_port[host])
        else:
            others.append(host)
    if not services and context.port != _HTTP_DEFAULT_PORT:
        return
    names.mark_routed(services)
    for host in others:
        yield from names.virtual_host(host, [host], routes, context.port)
    for service in services:
        yield from names.virtual_host(service.host, _domains(service, context.proxy), routes, context.port)


class _Names:
    """Names and domains given out so far: the first to claim one keeps it, as Envoy takes each only once."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._domains: set[str] = set()
        self._routed: set[str] = set()

    def mark_routed(self, services: Iterable[Service]) -> None:
        self._routed.update(service.host for service in services)

    def is_routed(self, service: Service) -> bool:
        return service.host in self._routed

    def virtual_host(self, host: str, domains: list[str], routes: list[Json], port: int) -> Iterator[Json]:
        """The virtual host; none where its name or all of its domains are taken."""
        name = virtual_host(host, port)
        free = [domain for domain in domains if domain not in self._domains]
        if name in self._names or not free:
            return
        self._names.add(name)
        self._domains.update(free)
        yield {"name": name, "domains": free, "routes": routes, "includeRequestAttemptCount": True}


def _names_one_of(host: str, services: dict[str, Service]) -> bool:
    if host in services:
        return True
    return is_wildcard(host) and any(overlap(host, service) for service in services)


def _most_specific(service: Service, routed: Iterable[VirtualService]) -> VirtualService | None:
    """The VirtualService whose host names the Service most exactly; of equals the oldest."""
    best: tuple[int, VirtualService] | None = None
    for virtual_service in routed:
        for host in virtual_service.hosts:
            if not overlap(host, service.host):
                continue
            length = len(host) if is_wildcard(host) else len(service.host) + 1
            if best is None or length > best[0]:
                best = (length, virtual_service)
    return best[1] if best else None


def _domains(service: Service, proxy: Proxy) -> list[str]:
    """All names by which pods of the proxy's namespace may call a Service."""
    if service.is_entry:
        return [service.host, f"{service.host}."]
    short = f"{service.name}.{service.namespace}"
    names = [service.host, f"{service.host}."]
    same_namespace = service.namespace == proxy.namespace
    names += [service.name, f"{short}.svc", short] if same_namespace else [short, f"{short}.svc"]
    if service.headless:  # the pods of a headless Service have names of their own below it
        names += [f"*.{name}" for name in names]
    return names + list(service.addresses)


def _default_routes(
    services: Iterable[Service], context: RouteContext, memory: TranslationCache
) -> list[list[Json]]:
    """The routes of each of the Services that no VirtualService routes."""

    def made(inputs: tuple[Service, DestinationRule | None]) -> list[Json]:
        host, rule = inputs[0].host, inputs[1]
        operation = f"{host}:{context.port}/*"
        cluster = outbound_cluster(host, context.port)
        return [default_route(cluster, operation, hash_for_service(rule, context.port))]

    rule_for, namespace = context.catalog.rule_for, context.proxy.namespace
    inputs = ((service, rule_for(service.host, namespace)) for service in services)
    return memory.each(f"default routes of {context.port}", inputs, made)


@cache
def _catch_all() -> Json:
    return {
        "name": ALLOW_ANY,
        "domains": ["*"],
        "routes": [
            {
                "name": ALLOW_ANY,
                "match": {"prefix": "/"},
                "route": {"cluster": PASSTHROUGH, "timeout": "0s", "maxGrpcTimeout": "0s"},
            }
        ],
        "includeRequestAttemptCount": True,
    }


@cache
def _block_all() -> Json:
    answer = {"directResponse": {"status": int(HTTPStatus.BAD_GATEWAY)}}
    return {
        "name": BLOCK_ALL,
        "domains": ["*"],
        "routes": [{"name": BLOCK_ALL, "match": {"prefix": "/"}, **answer}],
        "includeRequestAttemptCount": True,
    }
