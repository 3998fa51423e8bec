"""The catalog: an immutable snapshot of the mesh, which translation and analysis read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from localmesh import DEFAULT_TRACE_SAMPLING
from localmesh.catalog.aliases import with_aliases
from localmesh.catalog.authorizers import Authorizer, authorizer
from localmesh.catalog.config_data import ConfigData, config_data
from localmesh.catalog.conversion_cache import ConversionCache
from localmesh.catalog.credentials import Credential, client_names, credentials, is_for_any, server_names
from localmesh.catalog.destination_rules import DestinationRule, Subset, destination_rules
from localmesh.catalog.destinations import Destinations
from localmesh.catalog.endpoint_slices import listed_endpoints
from localmesh.catalog.envoy_filters import EnvoyFilter, Patch, envoy_filters, filters_for
from localmesh.catalog.exports import default_of_rules, with_default_export
from localmesh.catalog.extensions import Extension, extensions, extensions_for
from localmesh.catalog.gateway_api import GatewayApi, gateway_api
from localmesh.catalog.gateways import (
    GatewayWorkload,
    default_objects,
    gateway_workloads,
    own_gateways,
)
from localmesh.catalog.ingresses import ingress_objects
from localmesh.catalog.injection import is_disabled
from localmesh.catalog.issuer_keys import KeySource, with_keys
from localmesh.catalog.mesh_config import DEFAULT, ExtensionProvider, MeshConfig, OutboundMode, mesh_config
from localmesh.catalog.mounted_files import mounted_file
from localmesh.catalog.objects import Objects
from localmesh.catalog.pod_names import with_pod_names
from localmesh.catalog.proxies import LOOPBACK, Address, Inbound, Pod, Proxy, ProxyKind
from localmesh.catalog.security import (
    Action,
    AuthorizationPolicy,
    JwtRule,
    MutualTls,
    PeerAuthentications,
    RequestAuthentication,
    authorization_policies,
    jwt_rules_for,
    peer_authentications,
    policies_for,
    request_authentications,
)
from localmesh.catalog.servers import Server
from localmesh.catalog.services import (
    Endpoint,
    Protocol,
    Resolution,
    Service,
    ServiceIndex,
    ServicePort,
    service_entries,
    services,
)
from localmesh.catalog.sidecar_scope import Sidecar, SidecarScope, sidecar_for, sidecar_scope, sidecars
from localmesh.catalog.telemetry import Telemetry, telemetries, telemetries_for
from localmesh.catalog.virtual_services import MESH, RouteDestination, VirtualService, virtual_services
from localmesh.catalog.workload import Workload, workload
from localmesh.catalog.workload_entries import workload_entries
from localmesh.kinds.gateway import GATEWAY
from localmesh.kinds.kubernetes import NAMESPACE
from localmesh.kinds.workloads import WORKLOADS
from localmesh.manifests import Resource

__all__ = [
    "LOOPBACK",
    "MESH",
    "Action",
    "Address",
    "AuthorizationPolicy",
    "Authorizer",
    "Catalog",
    "DestinationRule",
    "Destinations",
    "Endpoint",
    "ExtensionProvider",
    "GatewayWorkload",
    "Inbound",
    "JwtRule",
    "MeshConfig",
    "MutualTls",
    "OutboundMode",
    "PeerAuthentications",
    "Pod",
    "Protocol",
    "Proxy",
    "ProxyKind",
    "Resolution",
    "RouteDestination",
    "Server",
    "Service",
    "ServicePort",
    "SidecarScope",
    "Subset",
    "VirtualService",
    "Workload",
    "build",
]


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """Everything that decides a proxy's configuration; make one with `build`.

    `objects` are the objects of the manifests that it was made from, which problems refer to.
    """

    destinations: Destinations
    virtual_services: tuple[VirtualService, ...]
    gateways: tuple[GatewayWorkload, ...]
    pods: tuple[Pod, ...] = ()
    pods_by_host: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    """The pods behind each Service that has any, ready or not."""
    entries_by_host: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    """The WorkloadEntries and the endpoints of EndpointSlices behind each Service that has any."""
    peer_authentications: PeerAuthentications = field(default_factory=PeerAuthentications)
    depends_on_source_labels: bool = False
    """Whether what a proxy sees of the mesh depends on its labels."""
    workloads: tuple[Workload, ...] = ()
    """The workloads of applications; those whose pods are gateways are in `gateways`."""
    objects: Objects = field(default_factory=lambda: Objects(()))
    config: ConfigData = field(default_factory=ConfigData)
    """The data of all ConfigMaps and Secrets."""
    gateway_api: GatewayApi = field(default_factory=GatewayApi)
    """What the objects of the Gateway API became, and their statuses."""
    mesh_config: MeshConfig = DEFAULT
    trace_sampling: float = DEFAULT_TRACE_SAMPLING
    """The percentage of requests that a trace begins with where no object says another one."""
    """The mesh-wide settings."""
    issuer_keys: Mapping[KeySource, str] = field(default_factory=dict)
    """The keys that were fetched for issuers; those of others are not known."""
    client_credential_names: tuple[str, ...] = ()
    """The resource names of the credentials in DestinationRules."""
    _envoy_filters: tuple[EnvoyFilter, ...] = ()
    _extensions: tuple[Extension, ...] = ()
    _authorization_policies: tuple[AuthorizationPolicy, ...] = ()
    _request_authentications: tuple[RequestAuthentication, ...] = ()
    _telemetries: tuple[Telemetry, ...] = ()
    _sidecars: tuple[Sidecar, ...] = ()
    _service_index: ServiceIndex = field(default_factory=lambda: ServiceIndex(()))
    _scopes: dict[tuple[str, int], SidecarScope] = field(default_factory=dict)  # by namespace and Sidecar
    _conversions: ConversionCache = field(default_factory=ConversionCache)

    @property
    def services(self) -> tuple[Service, ...]:
        """All Services, sorted by host, then the hosts of ServiceEntries."""
        return self.destinations.services

    def service(self, host: str) -> Service | None:
        """The Service with that fully qualified name, or None."""
        return self.destinations.service(host)

    def sidecar_of(self, proxy: Proxy | Workload) -> Sidecar | None:
        """The Sidecar that is for a proxy, or for the pods of a workload, or None; gateways have none."""
        if isinstance(proxy, Proxy) and proxy.kind is not ProxyKind.SIDECAR:
            return None
        return sidecar_for(self._sidecars, proxy.namespace, proxy.labels, self.mesh_config.root_namespace)

    def sidecar_scope(self, proxy: Proxy) -> SidecarScope:
        """What a proxy sees of the mesh: all that is exported to it, less what its Sidecar leaves out."""
        sidecar = self.sidecar_of(proxy)
        key = proxy.namespace, id(sidecar)
        scope = self._scopes.get(key)
        if scope is None:
            routed = self.virtual_services_for(proxy.namespace, MESH)
            allows_unknown = self.mesh_config.outbound_traffic_policy is not OutboundMode.REGISTRY_ONLY
            scope = self._scopes[key] = sidecar_scope(
                self.services, routed, proxy.namespace, sidecar, allows_unknown=allows_unknown
            )
        return scope

    def virtual_services_for(self, namespace: str, gateway: str) -> list[VirtualService]:
        """The VirtualServices bound to a gateway (or `MESH`) that a namespace sees, oldest first.

        Routes of the Gateway API that are in this namespace come before all others.
        """
        seen = [vs for vs in self.virtual_services if gateway in vs.gateways and vs.visible_from(namespace)]
        return sorted(seen, key=lambda vs: not (vs.is_of_gateway_api and vs.namespace == namespace))

    def rule_for(
        self, host: str, caller: str, labels: Mapping[str, str] = MappingProxyType({})
    ) -> DestinationRule | None:
        """The DestinationRule that a proxy of namespace `caller` with these labels applies to a host."""
        return self.destinations.rule_for(host, caller, labels)

    def gateway(self, namespace: str, workload: str) -> GatewayWorkload | None:
        """The gateway of that namespace and name, or None where the workload is not a gateway."""
        key = (namespace, workload)
        return next((gateway for gateway in self.gateways if (gateway.namespace, gateway.name) == key), None)

    def credentials_of(self, proxy: Proxy) -> tuple[Credential, ...]:
        """The credentials that the listeners and clusters of a proxy name, as far as there are any."""
        gateway = self.gateway(proxy.namespace, proxy.workload)
        servers = [server for server in gateway.servers if server.terminates_tls] if gateway else []
        names = [name for server in servers for name in server_names(server.tls or {})]
        if gateway:
            names += self.client_credential_names
        else:
            names += filter(is_for_any, self.client_credential_names)
            names += self.destinations.credential_names_for(proxy.namespace, proxy.labels)
        files = partial(mounted_file, gateway.workload, self.config) if gateway else None
        return credentials(self.config, names, proxy.namespace, files)

    def is_injected(self, workload: Workload) -> bool:
        """Whether the pods of a workload get a sidecar: unless their namespace or pod template says no."""
        namespace = self.objects.named(NAMESPACE, "", workload.namespace)
        return not is_disabled(namespace.labels if namespace else {}, workload.labels, workload.annotations)

    def policies_for(self, proxy: Proxy) -> list[AuthorizationPolicy]:
        """The AuthorizationPolicies that apply to a proxy's workload."""
        return policies_for(self._authorization_policies, proxy.namespace, proxy.labels)

    def patches_for(self, proxy: Proxy) -> tuple[Patch, ...]:
        """The patches of EnvoyFilters for the configuration of a proxy, in their order."""
        return tuple(patch for each in self.envoy_filters_for(proxy) for patch in each.patches)

    def extensions_for(self, proxy: Proxy) -> tuple[Extension, ...]:
        """The WasmPlugins and TrafficExtensions that select a proxy's workload, in their order."""
        return extensions_for(self._extensions, proxy.namespace, proxy.labels)

    def envoy_filters_for(self, proxy: Proxy) -> tuple[EnvoyFilter, ...]:
        """The EnvoyFilters that select a proxy's workload, in the order in which they apply."""
        return filters_for(self._envoy_filters, proxy.namespace, proxy.labels)

    def telemetries_for(self, proxy: Proxy) -> tuple[Telemetry, ...]:
        """The Telemetry objects that apply to a proxy's workload, the widest first."""
        return telemetries_for(
            self._telemetries, proxy.namespace, proxy.labels, self.mesh_config.root_namespace
        )

    def identity(self, of: Proxy | Pod) -> str:
        """The SPIFFE identity in the certificate of a proxy or of a pod's sidecar."""
        return self.mesh_config.trust.identity(of.namespace, of.service_account)

    def authorizers_for(self, proxy: Proxy) -> tuple[Authorizer, ...]:
        """The authorizers that the policies of a proxy's workload ask, by name."""
        names = {policy.provider for policy in self.policies_for(proxy) if policy.action is Action.CUSTOM}
        return tuple(self.authorizer(name) for name in sorted(names))

    def authorizer(self, name: str) -> Authorizer:
        """The authorizer of that name, or what is wrong with it."""
        return authorizer(name, self.mesh_config, self.services)

    def jwt_rules_for(self, proxy: Proxy) -> list[JwtRule]:
        """The rules for tokens that apply to a proxy's workload, by issuer, each with keys."""
        rules = jwt_rules_for(self._request_authentications, proxy.namespace, proxy.labels)
        return with_keys(rules, self.issuer_keys)

    def pods_of(self, service: Service) -> tuple[Pod, ...]:
        """All pods behind a Service, ready or not."""
        return self.pods_by_host.get(service.host, ())

    @property
    def endpoints_by_host(self) -> Mapping[str, tuple[Pod, ...]]:
        """All endpoints of each Service that has any: pods, WorkloadEntries, those of EndpointSlices."""
        return _joined(self.pods_by_host, self.entries_by_host)

    def services_of(self, namespace: str, labels: Mapping[str, str]) -> list[Service]:
        """The Services that select pods with these labels, by host."""
        return self._service_index.services_of(namespace, labels)

    def workloads_by_host(self) -> Mapping[str, tuple[Workload, ...]]:
        """The workloads whose pods are behind each Service that has any, by the Service's host."""
        return self._service_index.by_host(
            (*self.workloads, *(gateway.workload for gateway in self.gateways))
        )

    def with_pods(self, pods: Iterable[Pod], issuer_keys: Mapping[KeySource, str] | None = None) -> Catalog:
        """The same mesh with other pods, as after a change of their readiness, and with keys of issuers."""
        pods = tuple(pods)
        keys = self.issuer_keys if issuer_keys is None else issuer_keys
        return replace(self, pods=pods, pods_by_host=self._service_index.by_host(pods), issuer_keys=keys)


def build(resources: Iterable[Resource], before: Catalog | None = None) -> Catalog:
    """The catalog of validated resources and of the gateways that Istio installs, without pods.

    Objects that have not changed since the catalog of `before` are not converted again. Raises ManifestError
    for data of a Secret that is not base64.
    """
    resources = tuple(resources)
    objects, config = Objects(resources), config_data(resources)
    conversions = ConversionCache(before._conversions if before is not None else None)
    of_gateway_api = gateway_api(objects, config, before.gateway_api if before is not None else None)
    settings = mesh_config(objects, conversions)
    of_ingresses = ingress_objects(objects, settings)
    configuration = Objects((*resources, *of_gateway_api.configuration, *of_ingresses))
    root = settings.root_namespace
    routed = virtual_services(configuration, conversions, settings.default_virtual_service_export_to)
    scopes = sidecars(objects)
    rules = with_default_export(
        destination_rules(configuration, conversions),
        default_of_rules(settings.default_destination_rule_export_to),
    )
    workloads = _workloads(objects, conversions)
    own = own_gateways(workloads, objects)
    defaults = default_objects(objects, own, _named_hosts(routed, rules))
    managed = Objects(of_gateway_api.workloads)
    of_kubernetes = [
        service for each in (objects, defaults, managed) for service in services(each, conversions)
    ]
    all_services, aliases = with_aliases(_with_entries(of_kubernetes, service_entries(objects)))
    all_services = with_default_export(all_services, settings.default_service_export_to)
    all_services = with_pod_names(all_services, workloads)
    service_index = _service_index(all_services, before)
    gateways = (*_workloads(defaults, conversions), *_workloads(managed, conversions), *own)
    return Catalog(
        destinations=_destinations(Destinations(all_services, rules, aliases, root), before),
        virtual_services=routed,
        gateways=gateway_workloads(gateways, configuration.of(GATEWAY), service_index.services_of),
        entries_by_host=_joined(service_index.by_host(workload_entries(objects)), listed_endpoints(objects)),
        peer_authentications=_kept(peer_authentications(objects, root), before),
        depends_on_source_labels=any(sidecar.labels for sidecar in scopes)
        or any(rule.selector is not None or rule.prefers_labels for rule in rules)
        or bool(settings.locality_lb_setting.get("failoverPriority"))
        or any(virtual_service.depends_on_source_labels for virtual_service in routed),
        workloads=tuple(workload for workload in workloads if workload not in own),
        objects=objects,
        config=config,
        gateway_api=of_gateway_api,
        mesh_config=settings,
        client_credential_names=_client_credential_names(rules),
        _envoy_filters=envoy_filters(objects, conversions, root),
        _extensions=extensions(objects, root),
        _authorization_policies=authorization_policies(objects, settings.trust, root),
        _telemetries=telemetries(objects, root),
        _sidecars=scopes,
        _request_authentications=request_authentications(objects, root),
        _service_index=service_index,
        _conversions=conversions,
    )


def _joined(
    some: Mapping[str, tuple[Pod, ...]], others: Mapping[str, tuple[Pod, ...]]
) -> Mapping[str, tuple[Pod, ...]]:
    """The endpoints of both for each host."""
    if not some or not others:
        return some or others
    return {host: (*some.get(host, ()), *others.get(host, ())) for host in {**some, **others}}


def _client_credential_names(rules: Iterable[DestinationRule]) -> tuple[str, ...]:
    names = (name for rule in rules for tls in rule.tls_settings for name in client_names(tls))
    return tuple(sorted(set(names)))


def _named_hosts(routed: Iterable[VirtualService], rules: Iterable[DestinationRule]) -> set[str]:
    """The hosts that routes and rules are for, and those that routes lead to."""
    hosts = {rule.host for rule in rules}
    return hosts.union(*(vs.hosts for vs in routed), *(vs.destination_hosts for vs in routed))


def _workloads(objects: Objects, conversions: ConversionCache) -> tuple[Workload, ...]:
    """The workloads of all objects that have pods."""
    return tuple(conversions.of(resource, workload) for resource in objects.of(*WORKLOADS))


def _with_entries(of_kubernetes: Iterable[Service], entries: Iterable[Service]) -> tuple[Service, ...]:
    """The Services by host, then the hosts of ServiceEntries; a host belongs to the first that defines it."""
    by_host = {service.host: service for service in sorted(of_kubernetes, key=lambda service: service.host)}
    for entry in entries:
        by_host.setdefault(entry.host, entry)
    return tuple(by_host.values())


def _destinations(current: Destinations, before: Catalog | None) -> Destinations:
    """The destinations; those of `before` if nothing has changed: their indexes are made already."""
    return before.destinations if before and before.destinations == current else current


def _service_index(all_services: tuple[Service, ...], before: Catalog | None) -> ServiceIndex:
    return before._service_index if before and before.services == all_services else ServiceIndex(all_services)


def _kept(policies: PeerAuthentications, before: Catalog | None) -> PeerAuthentications:
    """Those of before if they are equal: then they need not be compared one by one."""
    return before.peer_authentications if before and before.peer_authentications == policies else policies
