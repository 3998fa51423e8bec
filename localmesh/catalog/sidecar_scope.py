"""Sidecar resources, and what one proxy sees of the mesh because of them (Istio, "Sidecar")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from localmesh.catalog.hosts import is_wildcard, is_within, most_specific, overlap
from localmesh.catalog.ingress_listeners import IngressListener, ingress_listeners
from localmesh.catalog.objects import Objects
from localmesh.catalog.services import Resolution, Service
from localmesh.catalog.virtual_services import VirtualService, exported
from localmesh.kinds.sidecar import SIDECAR
from localmesh.manifests import Resource

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Import:
    """An entry of `egress.hosts`: hosts of a namespace; excluded where ``~`` came first.

    The namespace is ``*`` for all, and ``.`` for that of the pod, also in a Sidecar of the root namespace.
    """

    namespace: str
    host: str
    is_excluded: bool = False

    def concerns(self, namespace: str, pod_namespace: str) -> bool:
        """Whether the entry is about objects of a namespace, for pods of `pod_namespace`."""
        return self.namespace in (namespace, _ALL) or (self.namespace == "." and namespace == pod_namespace)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """One object: the pods it selects, what they see, and whether they may call unknown hosts."""

    namespace: str
    labels: Mapping[str, str]
    imports: tuple[Import, ...]
    allows_unknown: bool | None
    """None: as the mesh-wide setting says."""
    resource: Resource = field(compare=False, repr=False)
    name: str = ""
    ingress: tuple[IngressListener, ...] = ()
    pool: Mapping[str, Any] | None = field(default=None, hash=False)
    """`inboundConnectionPool`."""

    @property
    def host(self) -> str:
        """What stands for a Service where a port has none."""
        return f"{self.name}.{self.namespace}"

    def pool_of(self, port: int) -> Mapping[str, Any] | None:
        """The connection pool of an inbound port, which replaces that of a DestinationRule."""
        own = (listener.pool for listener in self.ingress if listener.number == port)
        return next((pool for pool in own if pool is not None), self.pool)

    def sees_service(self, host: str, namespace: str, pod_namespace: str) -> bool:
        """Whether pods of a namespace import a Service of another."""
        imports = (entry for entry in self.imports if entry.concerns(namespace, pod_namespace))
        fitting = [entry for entry in imports if is_within(host, entry.host)]
        return bool(fitting) and not any(entry.is_excluded for entry in fitting)

    def sees_virtual_service(self, hosts: Iterable[str], namespace: str, pod_namespace: str) -> bool:
        """Whether pods of a namespace import a VirtualService of another: one common host is enough."""
        imports = [entry for entry in self.imports if entry.concerns(namespace, pod_namespace)]
        return any(_sees(imports, host) for host in hosts)


def _sees(imports: Iterable[Import], host: str) -> bool:
    imports = tuple(imports)
    if any(entry.is_excluded and is_within(host, entry.host) for entry in imports):
        return False
    return any(not entry.is_excluded and overlap(entry.host, host) for entry in imports)


def sidecars(objects: Objects) -> tuple[Sidecar, ...]:
    """The Sidecars, oldest first."""
    return tuple(_sidecar(resource) for resource in objects.of(SIDECAR))


def sidecar_for(
    all_sidecars: Iterable[Sidecar], namespace: str, labels: Mapping[str, str], root: str
) -> Sidecar | None:
    """The Sidecar of a pod: the one that selects it, else its namespace's, else the root namespace's."""
    all_sidecars = tuple(all_sidecars)
    own = [sidecar for sidecar in all_sidecars if sidecar.namespace == namespace]
    selecting = [sidecar for sidecar in own if sidecar.labels and sidecar.labels.items() <= labels.items()]
    wide = [sidecar for sidecar in own if not sidecar.labels]
    of_mesh = [s for s in all_sidecars if s.namespace == root and not s.labels]
    return next(iter((*selecting, *wide, *of_mesh)), None)


def _sidecar(resource: Resource) -> Sidecar:
    spec = resource.spec
    # a Sidecar does not inherit the outboundTrafficPolicy of a wider one
    policy = spec.get("outboundTrafficPolicy")
    hosts = [host for listener in spec.get("egress") or () for host in listener.get("hosts") or ()]
    return Sidecar(
        namespace=resource.namespace,
        labels=dict((spec.get("workloadSelector") or {}).get("labels") or {}),
        imports=tuple(_import(host) for host in hosts or ["*/*"]),
        # the block without a mode means REGISTRY_ONLY
        allows_unknown=None if policy is None else policy.get("mode") == "ALLOW_ANY",
        resource=resource,
        name=resource.name,
        ingress=tuple(ingress_listeners(resource)),
        pool=spec.get("inboundConnectionPool"),
    )


def _import(host: str) -> Import:
    namespace, _, name = host.partition("/")
    is_excluded = namespace.startswith("~")
    namespace = namespace.removeprefix("~") or _ALL if is_excluded else namespace
    return Import(namespace, name, is_excluded)


@dataclass(frozen=True, slots=True)
class SidecarScope:
    """What a proxy sees of the mesh.

    `callable` are the Services that it may call by their names, `services` also those that it reaches
    through routes of VirtualServices alone. `passed_on` are those that it does not see, and to which its
    connections are passed on because it allows unknown hosts.
    """

    services: tuple[Service, ...]
    callable: tuple[Service, ...]
    virtual_services: tuple[VirtualService, ...]
    allows_unknown: bool = True
    passed_on: tuple[Service, ...] = ()
    _by_host: Mapping[str, Service] = field(init=False, compare=False, repr=False)
    _callable_by_host: Mapping[str, Service] = field(init=False, compare=False, repr=False)
    _owners: Mapping[str, VirtualService] = field(init=False, compare=False, repr=False)
    _wildcards: tuple[str, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        owners: dict[str, VirtualService] = {}
        for virtual_service in self.virtual_services:
            for host in virtual_service.hosts:
                owners.setdefault(host, virtual_service)
        object.__setattr__(self, "_owners", owners)
        object.__setattr__(self, "_wildcards", tuple(filter(is_wildcard, owners)))
        object.__setattr__(self, "_by_host", {service.host: service for service in self.services})
        object.__setattr__(self, "_callable_by_host", {service.host: service for service in self.callable})

    def service(self, host: str) -> Service | None:
        """The Service of that host, with the ports that the proxy has clusters for; None if it has none."""
        return self._by_host.get(host)

    def routed_by(self, host: str) -> VirtualService | None:
        """The VirtualService that names the host of a Service most exactly; of equals the oldest.

        istiod: pilot/pkg/model/sidecar.go, `computeWildcardHostVirtualServiceIndex`.
        """
        pattern = host if host in self._owners else most_specific(host, self._wildcards)
        return self._owners[pattern] if pattern else None

    def called_by(self, host: str) -> list[Service]:
        """The Services that the proxy may call by a fully qualified host, which may be a wildcard."""
        if is_wildcard(host):
            return [service for service in self.callable if overlap(host, service.host)]
        service = self._callable_by_host.get(host)
        return [] if service is None else [service]


def sidecar_scope(
    services: Iterable[Service],
    virtual_services: Iterable[VirtualService],
    namespace: str,
    sidecar: Sidecar | None,
    *,
    allows_unknown: bool = True,
) -> SidecarScope:
    """What a proxy of a namespace sees; without a Sidecar that is everything that is exported to it.

    `allows_unknown` is the setting of the mesh for proxies whose Sidecar has none.
    """
    services = tuple(services)
    visible = tuple(s for s in services if exported(s.export_to, s.namespace, namespace))
    routed = tuple(virtual_services)
    if sidecar is None:
        passed_on = _passed_on(services, visible) if allows_unknown else ()
        return SidecarScope(visible, visible, routed, allows_unknown, passed_on)
    if sidecar.allows_unknown is not None:
        allows_unknown = sidecar.allows_unknown
    imported = tuple(s for s in visible if sidecar.sees_service(s.host, s.namespace, namespace))
    routed = tuple(vs for vs in routed if sidecar.sees_virtual_service(vs.hosts, vs.namespace, namespace))
    ports: dict[str, set[int | None]] = {service.host: {None} for service in imported}
    for virtual_service in routed:
        for destinations in (*virtual_service.destinations, *virtual_service.connection_destinations):
            for destination in destinations:
                ports.setdefault(destination.host, set()).add(destination.port)
    reached = (_with_ports(service, ports[service.host]) for service in visible if service.host in ports)
    return SidecarScope(
        services=tuple(service for service in reached if service.ports),
        callable=imported,
        virtual_services=routed,
        allows_unknown=allows_unknown,
        passed_on=_passed_on(services, imported) if allows_unknown else (),
    )


def _passed_on(services: Iterable[Service], callable_services: Iterable[Service]) -> tuple[Service, ...]:
    """The Services with pods that a proxy does not see; DNS knows the hosts of all others."""
    seen = {service.host for service in callable_services}
    return tuple(s for s in services if s.resolution is Resolution.PODS and s.host not in seen)


def _with_ports(service: Service, ports: set[int | None]) -> Service:
    """A Service with the ports that are reached; None among these means all."""
    if None in ports:
        return service
    return replace(service, ports=tuple(port for port in service.ports if port.number in ports))
