"""A sidecar's outbound route configurations: for each port, a virtual host for every host that can be called.

Names and order are istiod's (pilot/pkg/networking/core/httproute.go). A VirtualService bound to the mesh
replaces the default routes of the Services that it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from localmesh.catalog import (
    MESH,
    Catalog,
    Destinations,
    Protocol,
    Proxy,
    Service,
    SidecarScope,
    VirtualService,
)
from localmesh.catalog.called_hosts import has_tcp_ports, names_of
from localmesh.catalog.hosts import is_wildcard, overlap
from localmesh.translate.cache import PartCache
from localmesh.translate.config import ProxyConfig
from localmesh.translate.formats import ALLOW_ANY, BLOCK_ALL, PASSTHROUGH, virtual_host_name
from localmesh.translate.keys import Source
from localmesh.translate.matches import is_catch_all
from localmesh.translate.passed_on import OF_PASSED_ON, passed_on_ports, passing_host
from localmesh.translate.routes import DefaultRoute, RouteContext, Routes, VirtualServiceRoutes
from localmesh.translate.tunnel_routes import OF_TCP, Tunnels, with_tunnel

Json = dict[str, Any]
_HTTP_DEFAULT_PORT = 80


class OutboundRoutes(NamedTuple):
    """The routes of a sidecar: a route configuration for each port, named after it, and a scope for each."""

    source: Source
    scope: SidecarScope
    destinations: Destinations

    @classmethod
    def read(cls, catalog: Catalog, proxy: Proxy) -> OutboundRoutes:
        """What the proxy can call, and what decides where a host leads."""
        return cls(Source.of(catalog, proxy), catalog.sidecar_scope(proxy), catalog.destinations)

    @property
    def key(self) -> Source:
        """One result for all proxies that see the mesh in the same way."""
        return self.source

    def build(self, parts: PartCache) -> ProxyConfig:
        """The route configurations and scopes by port, and the routes of ports whose protocol is detected."""
        ports = self._ports()
        unknown = _ALLOW_ANY_HOST if self.scope.allows_unknown else _BLOCK_ALL_HOST
        tunnels = self._tunnels()
        routes = []
        for port in ports:
            hosts = self._virtual_hosts(port, parts)
            hosts += tunnels.hosts(port, _domains_of(hosts))
            hosts += self._passing_hosts(port, _domains_of(hosts))
            routes.append(route_configuration(str(port), [*hosts, unknown]))
        # ports without HTTP, of which Istio has no routes
        of_tcp = [port for port in tunnels.ports if port not in ports]
        for_unknown = [with_tunnel(unknown) if self.scope.allows_unknown else unknown]
        routes += [
            route_configuration(f"{OF_TCP}{port}", [*tunnels.hosts(port), *for_unknown]) for port in of_tcp
        ]
        known = {routing["name"].removeprefix(OF_TCP) for routing in routes}
        routes += [
            route_configuration(f"{OF_PASSED_ON}{port}", [*self._passing_hosts(port, set()), unknown])
            for port in self._passed_on_ports()
            if str(port) not in known
        ]
        return ProxyConfig(
            scopes=tuple(_scope(routing["name"]) for routing in routes),
            routes=tuple(routes),
            further_routes=tuple(self._detected_routes(routes)),
        )

    def _tunnels(self) -> Tunnels:
        """What decides about TCP ports, for programs that call them through their proxy."""
        called = sorted(filter(has_tcp_ports, self.scope.callable), key=lambda host: is_wildcard(host.host))
        return Tunnels(
            tuple((service, _domains(service, self.source.namespace)) for service in called),
            tuple(other for other in self.scope.virtual_services if other.connection_routes),
            self.source,
            self.destinations,
        )

    def _passed_on_ports(self) -> list[int]:
        """The ports of the Services that the proxy does not see."""
        return sorted({port.number for service in self.scope.passed_on for port in passed_on_ports(service)})

    def _passing_hosts(self, port: int, taken: set[str]) -> Iterator[Json]:
        """The virtual hosts of the Services that the proxy does not see, for domains that are not taken."""
        for service in self.scope.passed_on:
            if any(each.number == port for each in passed_on_ports(service)):
                free = [name for name in _domains(service, self.source.namespace) if name not in taken]
                taken.update(free)
                if free:
                    yield passing_host(service, port, free)

    def _ports(self) -> list[int]:
        """The ports for which HTTP requests are accepted: those of Services, and 80.

        In a cluster the Service of the ingress gateway has port 80, so that there are always routes for it:
        to hosts that only a VirtualService names, and out of the mesh.
        """
        ports = {
            port.number
            for service in self.scope.services
            for port in service.ports
            if port.protocol.may_be_http
        }
        return sorted(ports | {_HTTP_DEFAULT_PORT})

    def _virtual_hosts(self, port: int, parts: PartCache) -> list[Json]:
        services = {
            service.host: service
            for service in self.scope.callable
            if (service_port := service.port(port)) is not None and service_port.protocol.may_be_http
        }
        context = RouteContext(self.source, port, MESH)
        virtual_services = self._virtual_services(port, services)
        routes = parts.build_each(
            VirtualServiceRoutes.of(virtual_service, context, self.destinations)
            for virtual_service in virtual_services
        )
        hosts = _HostNames(port, self.source.namespace, self.scope, self.destinations.aliases)
        virtual_hosts = [
            host
            for virtual_service, its_routes in zip(virtual_services, routes, strict=True)
            if its_routes.routes
            for host in hosts.of_virtual_service(virtual_service, its_routes, services)
        ]
        plain = [service for service in services.values() if not hosts.is_routed(service)]
        defaults = parts.build_each(self._default_route(service, port) for service in plain)
        for service, default in zip(plain, defaults, strict=True):
            virtual_hosts.extend(hosts.of_service(service, default))
        virtual_hosts.sort(key=lambda host: host.name)
        return parts.build_each(virtual_hosts)

    def _virtual_services(self, port: int, services: Mapping[str, Service]) -> Sequence[VirtualService]:
        """The VirtualServices with hosts on a port; on 80 they can also name hosts that are not Services."""
        if port == _HTTP_DEFAULT_PORT:
            return self.scope.virtual_services
        return [
            virtual_service
            for virtual_service in self.scope.virtual_services
            if any(_names_one_of(host, services) for host in virtual_service.hosts)
        ]

    def _default_route(self, service: Service, port: int) -> DefaultRoute:
        rule = self.source.rule_for(self.destinations, service.host)
        # istiod writes the host of the route in lower case, even where the cluster's name has capitals
        return DefaultRoute(service.host.lower(), port, rule, self.source)

    def _detected_routes(self, routes: Iterable[Json]) -> Iterator[Json]:
        """The route configurations, named ``host:port``, of Service ports whose protocol is detected.

        Istio has a listener for each, at the Service's address, so their virtual hosts accept any authority.
        The proxy port serves the same routes from the configuration of the port.
        """
        hosts = {host["name"]: host for configuration in routes for host in configuration["virtualHosts"]}
        for service in self.scope.callable:
            for port in service.ports:
                name = virtual_host_name(service.host, port.number)
                if port.protocol is Protocol.SNIFFED and name in hosts:
                    yield route_configuration(name, [{**hosts[name], "domains": ["*"]}])


class VirtualHost(NamedTuple):
    """A virtual host: a name, the domains that it answers for, and its routes, catch-alls last."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Routes, ...]
    requires_tls: bool = False

    def build(self) -> Json:
        """The virtual host."""
        routes = (route for group in self.routes for route in group.routes)
        return {
            "name": self.name,
            "domains": list(self.domains),
            "routes": sorted(routes, key=lambda route: is_catch_all(route["match"])),
            "includeRequestAttemptCount": True,
            **({"requireTls": "ALL"} if self.requires_tls else {}),
        }


def route_configuration(name: str, virtual_hosts: list[Json]) -> Json:
    """A route configuration, with what Istio sets on each."""
    return {
        "name": name,
        "virtualHosts": virtual_hosts,
        "validateClusters": False,
        "maxDirectResponseBodySizeBytes": 1048576,
        "ignorePortInHostMatching": True,
    }


class _HostNames:
    """The virtual hosts of one port: the first that claims a name or domain keeps it.

    Envoy accepts a name or domain only once.
    """

    def __init__(self, port: int, namespace: str, scope: SidecarScope, aliases: Mapping[str, str]) -> None:
        self._port, self._namespace, self._scope, self._aliases = port, namespace, scope, aliases
        self._names: set[str] = set()
        self._domains: set[str] = set()
        self._routed: set[str] = set()

    def is_routed(self, service: Service) -> bool:
        """Whether a VirtualService routes a Service."""
        return service.host in self._routed

    def of_service(self, service: Service, routes: Routes) -> Iterator[VirtualHost]:
        """The virtual host of a Service."""
        return self._virtual_host(service.host, _domains(service, self._namespace), routes)

    def of_virtual_service(
        self,
        virtual_service: VirtualService,
        routes: Routes,
        services: Mapping[str, Service],
    ) -> Iterator[VirtualHost]:
        """The virtual hosts of a VirtualService, among all Services on the port."""
        chosen: list[Service] = []
        others: list[str] = []
        for host in virtual_service.hosts:
            if is_wildcard(host):
                inside = [service for service in services.values() if overlap(host, service.host)]
                chosen += [
                    service for service in inside if self._scope.routed_by(service.host) is virtual_service
                ]
                others += [] if inside else [host]
            elif host in services:
                chosen.append(services[host])
            else:
                others.append(host)
        if not chosen and self._port != _HTTP_DEFAULT_PORT:
            return
        self._routed.update(service.host for service in chosen)
        for host in others:
            domains = names_of(host, self._namespace) if host in self._aliases else [host]
            yield from self._virtual_host(host, domains, routes)
        for service in chosen:
            yield from self.of_service(service, routes)

    def _virtual_host(self, host: str, domains: list[str], routes: Routes) -> Iterator[VirtualHost]:
        """The virtual host, or none if its name or all of its domains are taken."""
        name = virtual_host_name(host.lower(), self._port)
        free = tuple(domain for domain in map(str.lower, domains) if domain not in self._domains)
        if name in self._names or not free:
            return
        self._names.add(name)
        self._domains.update(free)
        yield VirtualHost(name, free, (routes,))


def _scope(name: str) -> Json:
    """The scope of a port: requests to it use the route configuration that is named after it."""
    port = name.rpartition("|")[2]
    return {
        "name": port,
        "routeConfigurationName": name,
        "key": {"fragments": [{"stringKey": port}]},
    }


def _domains_of(virtual_hosts: Iterable[Json]) -> set[str]:
    return {domain for host in virtual_hosts for domain in host["domains"]}


def _names_one_of(host: str, services: Mapping[str, Service]) -> bool:
    if host in services:
        return True
    return is_wildcard(host) and any(overlap(host, service) for service in services)


def _domains(service: Service, namespace: str) -> list[str]:
    """All names by which pods of a namespace can call a Service.

    istiod: httproute.go, `generateVirtualHostDomains`.
    """
    names = names_of(service.host, namespace)
    if service.headless:  # the pods of a headless Service have their own names below it
        names += [f"*.{name}" for name in names]
    names += [name for alias in service.aliases for name in names_of(alias, namespace)]
    return names + [f"[{address}]" if ":" in address else address for address in service.addresses]


_ALLOW_ANY_HOST: Json = {
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
_BLOCK_ALL_HOST: Json = {
    "name": BLOCK_ALL,
    "domains": ["*"],
    "routes": [
        {
            "name": BLOCK_ALL,
            "match": {"prefix": "/"},
            "directResponse": {"status": int(HTTPStatus.BAD_GATEWAY)},
        }
    ],
    "includeRequestAttemptCount": True,
}
