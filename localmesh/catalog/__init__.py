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
from localmesh.catalog.destination_rules import DestinationRule, RuleIndex, Subset, destination_rules
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
from localmesh.catalog.services import Endpoint, Protocol, Resolution, Service, ServicePort, services
from localmesh.catalog.sidecars import Sidecar, sidecar_for, sidecars
from localmesh.catalog.views import View, view
from localmesh.catalog.virtual_services import MESH, VirtualService, virtual_services
from localmesh.manifests import Resource

__all__ = [
    "MESH",
    "Action",
    "Address",
    "AuthorizationPolicy",
    "Catalog",
    "DestinationRule",
    "Endpoint",
    "GatewayWorkload",
    "Inbound",
    "JwtRule",
    "MutualTls",
    "Pod",
    "Protocol",
    "Proxy",
    "ProxyKind",
    "Resolution",
    "Server",
    "Service",
    "ServicePort",
    "Subset",
    "View",
    "VirtualService",
    "build",
]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that decides a proxy's configuration; make one with `build`."""

    services: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]
    gateways: tuple[GatewayWorkload, ...]
    pods: tuple[Pod, ...] = ()
    peer_authentications: PeerAuthentications = field(default_factory=PeerAuthentications)
    _authorization_policies: tuple[AuthorizationPolicy, ...] = ()
    _request_authentications: tuple[RequestAuthentication, ...] = ()
    _sidecars: tuple[Sidecar, ...] = ()
    _by_host: Mapping[str, Service] = field(default_factory=dict)
    _rules: RuleIndex = field(default_factory=lambda: RuleIndex(()))

    def service(self, host: str) -> Service | None:
        """The Service of that fully qualified name, or None."""
        return self._by_host.get(host)

    def view_of(self, proxy: Proxy) -> View:
        """What a proxy sees of the mesh: all that is exported to it, less what its Sidecar leaves out."""
        routed = self.virtual_services_for(proxy.namespace, MESH)
        is_sidecar = proxy.kind is ProxyKind.SIDECAR
        sidecar = sidecar_for(self._sidecars, proxy.namespace, proxy.labels) if is_sidecar else None
        return view(self.services, routed, proxy.namespace, sidecar)

    def virtual_services_for(self, namespace: str, gateway: str) -> list[VirtualService]:
        """The VirtualServices bound to a gateway (or `MESH`) that a namespace sees, oldest first."""
        return [vs for vs in self.virtual_services if gateway in vs.gateways and vs.visible_from(namespace)]

    def rule_for(self, host: str, caller: str) -> DestinationRule | None:
        """The DestinationRule that a proxy of namespace `caller` applies to a host."""
        service = self.service(host)
        return self._rules.rule_for(host=host, caller=caller, owner=service.namespace if service else None)

    def gateway(self, name: str) -> GatewayWorkload | None:
        """The gateway of that name, or None."""
        return next((gateway for gateway in self.gateways if gateway.name == name), None)

    def policies_for(self, proxy: Proxy) -> list[AuthorizationPolicy]:
        """The AuthorizationPolicies that hold for a proxy's workload."""
        return policies_for(self._authorization_policies, proxy.namespace, proxy.labels)

    def jwt_rules_for(self, proxy: Proxy) -> list[JwtRule]:
        """The rules for tokens that hold for a proxy's workload, by issuer."""
        return jwt_rules_for(self._request_authentications, proxy.namespace, proxy.labels)

    def pods_of(self, service: Service) -> list[Pod]:
        """All pods behind a Service, ready or not."""
        return [pod for pod in self.pods if service.selects(pod.namespace, pod.labels)]

    def with_pods(self, pods: Iterable[Pod]) -> Catalog:
        """The same mesh with other pods: what a change of readiness makes of it."""
        return replace(self, pods=tuple(pods))


def build(resources: Iterable[Resource], pods: Iterable[Pod] = ()) -> Catalog:
    """The catalog of these resources, checked by the loader before, and the pods that run."""
    resources = tuple(resources)
    found = _with_entries(services(resources), service_entries(resources))
    return Catalog(
        services=found,
        virtual_services=virtual_services(resources),
        gateways=gateway_workloads(resources),
        pods=tuple(pods),
        peer_authentications=peer_authentications(resources),
        _authorization_policies=authorization_policies(resources),
        _sidecars=sidecars(resources),
        _request_authentications=request_authentications(resources),
        _by_host={service.host: service for service in found},
        _rules=RuleIndex(destination_rules(resources)),
    )


def _with_entries(of_kubernetes: tuple[Service, ...], entries: Iterable[Service]) -> tuple[Service, ...]:
    """Hosts of ServiceEntries behind the Services; a host is its first owner's."""
    by_host = {service.host: service for service in of_kubernetes}
    for entry in entries:
        by_host.setdefault(entry.host, entry)
    return tuple(by_host.values())
