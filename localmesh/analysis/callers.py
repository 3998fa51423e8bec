"""The proxies that have routes for a VirtualService, and the ports on which requests reach it there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from localmesh.catalog import MESH, Catalog, Proxy, ProxyKind, Server, SidecarScope, VirtualService
from localmesh.catalog.hosts import intersection, is_wildcard
from localmesh.catalog.http_routes import HttpMatch
from localmesh.catalog.virtual_services import match_applies

_HTTP_DEFAULT_PORT = 80


@dataclass(frozen=True, slots=True, eq=False)
class Callers:
    """The sidecars of a namespace that see the same of the mesh, or the proxies of a gateway.

    `labels` are those of the pods, as far as they are in the manifests.
    """

    namespace: str
    scope: SidecarScope
    labels: tuple[Mapping[str, str], ...]
    gateway: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """A port for which callers have the routes of a VirtualService, and the gateway name they serve it by.

    A port of None is not known: the gateway that names it is not in the manifests. Labels of None are those
    that a match asks for.
    """

    callers: Callers
    port: int | None
    gateway: str = MESH
    labels: Mapping[str, str] | None = None

    def applies(self, match: HttpMatch | None) -> bool:
        """Whether the callers have a route for a match."""
        if self.port is None or match is None:
            return True
        namespace = self.callers.namespace
        labels = (match.get("sourceLabels") or {}) if self.labels is None else self.labels
        return match_applies(match, port=self.port, gateway=self.gateway, namespace=namespace, labels=labels)


class AllCallers:
    """Every proxy of a catalog.

    Manifests without any sidecar are part of a larger mesh: there a VirtualService is taken to be called
    from its own namespace.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @cached_property
    def sidecars(self) -> list[Callers]:
        """The sidecars, grouped by what they see."""
        scopes: dict[tuple[str, int], SidecarScope] = {}
        labels: dict[tuple[str, int], dict[frozenset[tuple[str, str]], Mapping[str, str]]] = {}
        for workload in self._catalog.workloads:
            if self._catalog.is_injected(workload):
                scope = self._scope(workload.namespace, workload.labels)
                scopes[workload.namespace, id(scope)] = scope
                distinct = labels.setdefault((workload.namespace, id(scope)), {})
                distinct[frozenset(workload.labels.items())] = workload.labels
        return [Callers(key[0], scope, tuple(labels[key].values())) for key, scope in scopes.items()]

    @cached_property
    def _gateways(self) -> list[tuple[Callers, tuple[Server, ...]]]:
        return [
            (
                Callers(
                    gateway.namespace,
                    self._scope(gateway.namespace, gateway.labels, ProxyKind.GATEWAY),
                    (gateway.labels,),
                    gateway.name,
                ),
                gateway.servers,
            )
            for gateway in self._catalog.gateways
        ]

    @cached_property
    def _visible(self) -> Mapping[int, frozenset[int]]:
        """The VirtualServices that each of the sidecars has routes of."""
        return {id(callers): frozenset(map(id, callers.scope.virtual_services)) for callers in self.sidecars}

    def listeners(self, virtual_service: VirtualService) -> list[Listener]:
        """Where proxies have routes of a VirtualService."""
        return [*self._of_sidecars(virtual_service), *self._of_gateways(virtual_service)]

    def unknown(self, virtual_service: VirtualService) -> Listener:
        """A caller in the VirtualService's own namespace, on a port that is not known."""
        return Listener(self._assumed(virtual_service), None)

    def _of_sidecars(self, virtual_service: VirtualService) -> Iterator[Listener]:
        if MESH not in virtual_service.gateways:
            return
        seeing = [callers for callers in self.sidecars if id(virtual_service) in self._visible[id(callers)]]
        for callers in seeing if self.sidecars else [self._assumed(virtual_service)]:
            distinct = callers.labels if virtual_service.depends_on_source_labels else callers.labels[:1]
            for port in sorted(mesh_ports(virtual_service, callers.scope)):
                for labels in distinct or (None,):
                    yield Listener(callers, port, labels=labels)

    def _of_gateways(self, virtual_service: VirtualService) -> Iterator[Listener]:
        for callers, servers in self._gateways:
            if not virtual_service.visible_from(callers.namespace):
                continue
            for server in servers:
                open_hosts = server.hosts_for(virtual_service.namespace)
                if server.gateway in virtual_service.gateways and intersection(
                    open_hosts, virtual_service.hosts
                ):
                    yield Listener(callers, server.number, server.gateway, callers.labels[0])

    def _assumed(self, virtual_service: VirtualService) -> Callers:
        namespace = virtual_service.namespace
        # without a Sidecar, which would be for known callers
        return Callers(namespace, self._scope(namespace, {}, ProxyKind.GATEWAY), ())

    def _scope(
        self, namespace: str, labels: Mapping[str, str], kind: ProxyKind = ProxyKind.SIDECAR
    ) -> SidecarScope:
        proxy = Proxy(kind=kind, namespace=namespace, workload="", name="", labels=labels)
        return self._catalog.sidecar_scope(proxy)


def mesh_ports(virtual_service: VirtualService, scope: SidecarScope) -> set[int]:
    """The ports on which sidecars take requests for the hosts of a VirtualService.

    A host that is a Service has the HTTP ports of the Service, any other port 80. (The routes of port 80 are
    also under the name of a Service without such a port, where no application sends requests.)
    """
    ports: set[int] = set()
    for host in virtual_service.hosts:
        named = scope.called_by(host)
        for service in named:
            if not is_wildcard(host) or scope.routed_by(service.host) is virtual_service:
                ports.update(port.number for port in service.ports if port.protocol.may_be_http)
        if not named:
            ports.add(_HTTP_DEFAULT_PORT)
    return ports
