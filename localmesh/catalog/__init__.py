"""The catalog: one immutable picture of the mesh, from resources and pods, that translation reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from localmesh.catalog.authorization_policies import (
    Action,
    AuthorizationPolicy,
    authorization_policies,
    policies_for,
)
from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.destination_rules import DestinationRule, Subset, destination_rules
from localmesh.catalog.destinations import Destinations
from localmesh.catalog.gateways import GatewayWorkload, Server, gateway_workloads
from localmesh.catalog.peer_authentications import MutualTls, PeerAuthentications, peer_authentications
from localmesh.catalog.proxies import Address, Inbound, Pod, Proxy, ProxyKind
from localmesh.catalog.request_authentications import (
    JwtRule,
    RequestAuthentication,
    jwt_rules_for,
    request_authentications,
)
from localmesh.catalog.service_entries import service_entries
from localmesh.catalog.service_index import ServiceIndex
from localmesh.catalog.services import Endpoint, Protocol, Resolution, Service, ServicePort, services
from localmesh.catalog.sidecar_scope import SidecarScope, view
from localmesh.catalog.sidecars import Sidecar, sidecar_for, sidecars
from localmesh.catalog.virtual_services import MESH, VirtualService, virtual_services
from localmesh.manifests import Resource

__all__ = [
    "MESH",
    "Action",
    "Address",
    "AuthorizationPolicy",
    "Catalog",
    "DestinationRule",
    "Destinations",
    "Endpoint",
    "GatewayWorkload",
    "Inbound",
    "JwtRule",
    "MutualTls",
    "PeerAuthentications",
    "Pod",
    "Protocol",
    "Proxy",
    "ProxyKind",
    "Resolution",
    "Server",
    "Service",
    "ServicePort",
    "SidecarScope",
    "Subset",
    "VirtualService",
    "build",
]


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """Everything that decides a proxy's configuration; make one with `build`."""

    destinations: Destinations
    virtual_services: tuple[VirtualService, ...]
    gateways: tuple[GatewayWorkload, ...]
    pods: tuple[Pod, ...] = ()
    pods_by_host: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    """The pods behind each Service that has any, ready or not."""
    peer_authentications: PeerAuthentications = field(default_factory=PeerAuthentications)
    depends_on_source_labels: bool = False
    """Whether what a proxy sees of the mesh depends on its labels."""
    _authorization_policies: tuple[AuthorizationPolicy, ...] = ()
    _request_authentications: tuple[RequestAuthentication, ...] = ()
    _sidecars: tuple[Sidecar, ...] = ()
    _selections: ServiceIndex = field(default_factory=lambda: ServiceIndex(()))
    _views: dict[tuple[str, int], SidecarScope] = field(default_factory=dict)  # by namespace and Sidecar
    _conversions: ConversionCache = field(default_factory=ConversionCache)

    @property
    def services(self) -> tuple[Service, ...]:
        """All Services, sorted by host, then the hosts of ServiceEntries."""
        return self.destinations.services

    def service(self, host: str) -> Service | None:
        """The Service with that fully qualified name, or None."""
        return self.destinations.service(host)

    def sidecar_scope(self, proxy: Proxy) -> SidecarScope:
        """What a proxy sees of the mesh: all that is exported to it, less what its Sidecar leaves out."""
        is_sidecar = proxy.kind is ProxyKind.SIDECAR
        sidecar = sidecar_for(self._sidecars, proxy.namespace, proxy.labels) if is_sidecar else None
        key = proxy.namespace, id(sidecar)
        found = self._views.get(key)
        if found is None:
            routed = self.virtual_services_for(proxy.namespace, MESH)
            found = self._views[key] = view(self.services, routed, proxy.namespace, sidecar)
        return found

    def virtual_services_for(self, namespace: str, gateway: str) -> list[VirtualService]:
        """The VirtualServices bound to a gateway (or `MESH`) that a namespace sees, oldest first."""
        return [vs for vs in self.virtual_services if gateway in vs.gateways and vs.visible_from(namespace)]

    def rule_for(self, host: str, caller: str) -> DestinationRule | None:
        """The DestinationRule that a proxy of namespace `caller` applies to a host."""
        return self.destinations.rule_for(host, caller)

    def gateway(self, name: str) -> GatewayWorkload | None:
        """The gateway of that name, or None."""
        return next((gateway for gateway in self.gateways if gateway.name == name), None)

    def policies_for(self, proxy: Proxy) -> list[AuthorizationPolicy]:
        """The AuthorizationPolicies that hold for a proxy's workload."""
        return policies_for(self._authorization_policies, proxy.namespace, proxy.labels)

    def jwt_rules_for(self, proxy: Proxy) -> list[JwtRule]:
        """The rules for tokens that hold for a proxy's workload, by issuer."""
        return jwt_rules_for(self._request_authentications, proxy.namespace, proxy.labels)

    def pods_of(self, service: Service) -> tuple[Pod, ...]:
        """All pods behind a Service, ready or not."""
        return self.pods_by_host.get(service.host, ())

    def services_of(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """The Services that send to pods with these labels, by host."""
        return self._selections.services_of(namespace, labels)

    def with_pods(self, pods: Iterable[Pod]) -> Catalog:
        """The same mesh with other pods: what a change of readiness makes of it."""
        pods = tuple(pods)
        return replace(self, pods=pods, pods_by_host=self._selections.pods_by_host(pods))


def build(resources: Iterable[Resource], before: Catalog | None = None) -> Catalog:
    """The catalog of these resources, checked by the loader, without pods.

    What stands in the catalog of `before` for an object with the same body is taken over.
    """
    resources = tuple(resources)
    conversions = ConversionCache(before._conversions if before is not None else None)
    found = _with_entries(services(resources, conversions), service_entries(resources))
    routed, scopes = virtual_services(resources, conversions), sidecars(resources)
    return Catalog(
        destinations=_destinations(found, destination_rules(resources, conversions), before),
        virtual_services=routed,
        gateways=gateway_workloads(resources),
        peer_authentications=_kept(peer_authentications(resources), before),
        depends_on_source_labels=any(each.labels for each in scopes)
        or any(each.depends_on_source_labels for each in routed),
        _authorization_policies=authorization_policies(resources),
        _sidecars=scopes,
        _request_authentications=request_authentications(resources),
        _selections=_selections(found, before),
        _conversions=conversions,
    )


def _with_entries(of_kubernetes: tuple[Service, ...], entries: Iterable[Service]) -> tuple[Service, ...]:
    """Hosts of ServiceEntries behind the Services; a host is its first owner's."""
    by_host = {service.host: service for service in of_kubernetes}
    for entry in entries:
        by_host.setdefault(entry.host, entry)
    return tuple(by_host.values())


def _destinations(
    found: tuple[Service, ...], rules: tuple[DestinationRule, ...], before: Catalog | None
) -> Destinations:
    """The destinations, with the indexes of `before` if nothing has changed."""
    if before and (before.destinations.services, before.destinations.rules) == (found, rules):
        return before.destinations
    return Destinations(found, rules)


def _selections(found: tuple[Service, ...], before: Catalog | None) -> ServiceIndex:
    return before._selections if before and before.services == found else ServiceIndex(found)


def _kept(found: PeerAuthentications, before: Catalog | None) -> PeerAuthentications:
    """Those of before if they are equal: nothing has to look into them then."""
    return before.peer_authentications if before and before.peer_authentications == found else found
